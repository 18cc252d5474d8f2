/** What goes into an autoencoder: frames by number, so that a video of which few frames are known never lies whole in memory. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { readTensor } from '../../gpu/tensor.ts';
import type { Tiling, Volume } from './vae-tiles.ts';
import { cut } from './vae-tiles.ts';

/** Frames [1, H, W, C] by their index: their values, or where they lie on the device in f32. */
export type Frames = ReadonlyMap<number, Float32Array | DeviceTensor>;

/** A video whose other frames are zero, which is mid-grey in −1..1. */
export type SparseVideo = { readonly shape: Volume['shape']; readonly known: Frames };

/** Returns the video frame by frame; nothing is copied. */
export function frameByFrame(video: Volume | SparseVideo): SparseVideo {
  if ('known' in video) return video;
  const { values, shape } = video;
  const span = values.length / shape[0];
  const frame = (i: number) => [i, values.subarray(i * span, (i + 1) * span)] as const;
  return { shape, known: new Map(Array.from({ length: shape[0] }, (_, i) => frame(i))) };
}

/** Those of frames `from` to `to`, counted from there. */
export function framesBetween(frames: Frames, from: number, to: number): Frames {
  const some = new Map<number, Float32Array | DeviceTensor>();
  for (let i = from; i < to; i++) {
    const frame = frames.get(i);
    if (frame) some.set(i - from, frame);
  }
  return some;
}

/** Resolves to the video with the values of those frames that lie on the device. */
export async function broughtFrom(device: GPUDevice, video: SparseVideo): Promise<SparseVideo> {
  const known = new Map<number, Float32Array>();
  for (const [i, frame] of video.known)
    known.set(i, frame instanceof Float32Array ? frame : await readTensor(device, frame));
  return { ...video, known };
}

/** Returns the tile that begins at (y, x) of every frame, cut off at the border. Frames must not lie on the device. */
export function cutFrames(
  { shape: [T, H, W, C], known }: SparseVideo,
  y: number,
  x: number,
  sizes: Tiling,
): SparseVideo {
  const tiles = [...known].flatMap(([i, values]) =>
    values instanceof Float32Array
      ? [[i, cut({ values, shape: [1, H, W, C] }, y, x, sizes).values] as const]
      : [],
  );
  const { rows, columns } = sizes;
  const shape = [T, Math.min(rows.tile, H - y), Math.min(columns.tile, W - x), C] as const;
  return { shape, known: new Map(tiles) };
}
