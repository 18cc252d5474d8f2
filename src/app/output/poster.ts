/** The small picture that stands for a video in the history. */

const LONG_SIDE = 400;
const QUALITY = 0.8;
const SOUGHT_SECONDS = 0.1;

/** Resolves to an early frame of a video as a small JPEG; undefined where the browser cannot decode it. For pages. */
export async function posterOf(video: Blob): Promise<Blob | undefined> {
  const url = URL.createObjectURL(video);
  try {
    const player = document.createElement('video');
    player.muted = true;
    player.src = url;
    await happened(player, 'loadeddata');
    // A frame that was sought is there for certain; the one before may still be on its way.
    player.currentTime = Math.min(SOUGHT_SECONDS, player.duration / 2);
    await happened(player, 'seeked');
    return await small(player);
  } catch {
    return undefined; // the video itself is what counts
  } finally {
    URL.revokeObjectURL(url);
  }
}

const happened = (player: HTMLVideoElement, event: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    player.addEventListener(event, resolve, { once: true });
    player.addEventListener('error', reject, { once: true });
  });

async function small(player: HTMLVideoElement): Promise<Blob> {
  const { videoWidth, videoHeight } = player;
  const scale = Math.min(1, LONG_SIDE / Math.max(videoWidth, videoHeight));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(videoWidth * scale)),
    Math.max(1, Math.round(videoHeight * scale)),
  );
  canvas.getContext('2d')?.drawImage(player, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: 'image/jpeg', quality: QUALITY });
}
