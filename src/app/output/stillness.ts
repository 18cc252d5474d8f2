/** How much moves in a video: what the "does not move" advice is given by. For pages. */

const WIDTH = 96;
/** Moments that are compared with the first frame, as shares of the video. */
const MOMENTS = [0.25, 0.5, 0.75, 0.98] as const;
/** Below this mean difference, of 255, hardly anyone sees motion. */
export const STILL = 1.5;

/** Resolves to the largest mean difference of a later frame from the first, in steps of 255. */
export async function motionIn(video: Blob): Promise<number> {
  const url = URL.createObjectURL(video);
  try {
    const player = document.createElement('video');
    player.muted = true;
    player.preload = 'auto';
    player.src = url;
    await happened(player, 'loadeddata');
    const height = Math.max(1, Math.round((WIDTH * player.videoHeight) / player.videoWidth));
    const context = new OffscreenCanvas(WIDTH, height).getContext('2d', {
      willReadFrequently: true,
    });
    if (!context) return Infinity;
    const pixels = (): Uint8ClampedArray => {
      context.drawImage(player, 0, 0, WIDTH, height);
      return context.getImageData(0, 0, WIDTH, height).data;
    };
    const first = pixels();
    let most = 0;
    for (const moment of MOMENTS) {
      const sought = happened(player, 'seeked');
      player.currentTime = moment * player.duration;
      await sought;
      most = Math.max(most, meanDifference(first, pixels()));
    }
    return most;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Returns the mean of |a − b| over colours; opacity does not count. */
function meanDifference(a: Uint8ClampedArray, b: Uint8ClampedArray): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 4) {
    for (let c = 0; c < 3; c++) sum += Math.abs((a[i + c] ?? 0) - (b[i + c] ?? 0));
  }
  return sum / ((a.length / 4) * 3);
}

const happened = (player: HTMLVideoElement, event: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    player.addEventListener(event, resolve, { once: true });
    player.addEventListener('error', () => reject(new Error('the video does not play')), {
      once: true,
    });
  });
