/** A painted picture at the size of the video that starts from it, made where the picture lies: on the device. */
import { readTensor } from '../../gpu/tensor.ts';
import { coverFit } from '../../image/fit.ts';
import type { Size } from '../../image/fit.ts';
import { computeOnce } from '../../nn/kept.ts';
import type { Engine } from '../../nn/run-once.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import { cutOut, heldToUnit, resizedOnDevice } from '../wan/placed-picture.ts';
import type { PaintedPicture } from './decode.ts';

/** Resolves to the middle of `picture` that has the aspect of the size, at that size; its owner destroys it. */
export async function coveringOnDevice(
  engine: Engine,
  picture: Pick<PaintedPicture, 'width' | 'height' | 'channels' | 'onDevice'>,
  { width, height }: Size,
): Promise<PaintedPicture> {
  const size = { width, height };
  const kept = await computeOnce({ ...engine, precision: 'f32' }, SHAPES_ALONE, ({ graph }) => {
    const middle = cutOut(graph.external(picture.onDevice), middleOf(picture, size));
    // Lanczos overshoots beside edges.
    graph.result('covering', heldToUnit(resizedOnDevice(middle, size, 'lanczos')));
  });
  const onDevice = kept.get('covering');
  const data = await readTensor(engine.gpu.device, onDevice);
  return { ...size, channels: picture.channels, data, onDevice, destroy: () => kept.destroy() };
}

/** Returns what of a picture stays when it covers `size` and the rest hangs over, on both sides alike. */
export function middleOf(
  picture: Size,
  size: Size,
): Size & { readonly x: number; readonly y: number } {
  const { crop } = coverFit({ ...picture, orientation: 1 }, size);
  const [x, y] = [Math.floor(crop.x), Math.floor(crop.y)];
  const width = Math.min(picture.width - x, Math.max(1, Math.round(crop.width)));
  const height = Math.min(picture.height - y, Math.max(1, Math.round(crop.height)));
  return { x, y, width, height };
}
