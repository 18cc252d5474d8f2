/** From texts to a video in one go: a picture by NewBie, then its frames by a Wan model that starts from a picture. */
import { readTensor } from '../../gpu/tensor.ts';
import { coverFit } from '../../image/fit.ts';
import type { Size } from '../../image/fit.ts';
import type { Raster } from '../../image/resize.ts';
import { resizeFloats } from '../../image/resize.ts';
import { computeOnce } from '../../nn/kept.ts';
import type { Engine } from '../../nn/run-once.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import type { ComponentSource } from '../wan/components.ts';
import type { WanRequest } from '../wan/pipeline-request.ts';
import type { WanFrame, WanOptions } from '../wan/pipeline.ts';
import { generate } from '../wan/pipeline.ts';
import { cutOut, heldToUnit, resizedOnDevice } from '../wan/placed-picture.ts';
import type { PaintedPicture } from './decode.ts';
import type { NewbieOptions } from './pipeline.ts';
import { paintOnDevice } from './pipeline.ts';
import type { NewbieRequest, NewbieSource } from './request.ts';

export type PaintAndAnimateRequest = {
  readonly picture: NewbieRequest;
  /** The video; the picture is scaled evenly to cover its size. */
  readonly video: Omit<WanRequest, 'image'>;
};

export type PaintAndAnimateOptions = {
  readonly signal?: AbortSignal;
  readonly picture?: Omit<NewbieOptions, 'signal'>;
  readonly video?: Omit<WanOptions, 'signal'>;
  /** Called with the picture before the video begins. */
  readonly onPicture?: (picture: Raster) => void;
};

/**
 * Yields the frames of a video that starts from a picture of the prompt. The picture model is freed before the video
 * model is loaded; the picture stays on the device, and what is read back of it is only shown. Throws what `paint` and
 * `generate` throw.
 */
export async function* paintAndAnimate(
  engine: Engine,
  sources: { readonly picture: NewbieSource; readonly video: ComponentSource },
  request: PaintAndAnimateRequest,
  options: PaintAndAnimateOptions = {},
): AsyncGenerator<WanFrame, void, void> {
  const abort = options.signal && { signal: options.signal };
  const painting = { ...options.picture, ...abort };
  const picture = await paintOnDevice(engine, sources.picture, request.picture, painting);
  let image: PaintedPicture | undefined;
  try {
    const { width, height, channels, data } = picture;
    options.onPicture?.({ width, height, channels, data });
    image = await coveringOnDevice(engine, picture, request.video);
    picture.destroy();
    const video = { ...request.video, image };
    yield* generate(engine, sources.video, video, { ...options.video, ...abort });
  } finally {
    picture.destroy();
    image?.destroy();
  }
}

/** Returns the middle of `picture` that has the aspect of `size`, at that size. */
export function covering(picture: Raster, size: Size): Raster {
  const { x, y, width, height } = middleOf(picture, size);
  const { channels } = picture;
  const data = new Float32Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * picture.width + x) * channels;
    data.set(picture.data.subarray(from, from + width * channels), row * width * channels);
  }
  const cut = { width, height, channels, data };
  if (width === size.width && height === size.height) return cut;
  const { width: wide, height: high } = size;
  const scaled = resizeFloats(cut, { width: wide, height: high }, 'lanczos');
  // Lanczos overshoots beside edges.
  return { ...scaled, data: scaled.data.map((value) => Math.min(1, Math.max(0, value))) };
}

/** Resolves to the same, made on the device of a picture that lies there. */
export async function coveringOnDevice(
  engine: Engine,
  picture: Pick<PaintedPicture, 'width' | 'height' | 'channels' | 'onDevice'>,
  { width, height }: Size,
): Promise<PaintedPicture> {
  const size = { width, height };
  const kept = await computeOnce({ ...engine, precision: 'f32' }, SHAPES_ALONE, ({ graph }) => {
    const middle = cutOut(graph.external(picture.onDevice), middleOf(picture, size));
    graph.result('covering', heldToUnit(resizedOnDevice(middle, size, 'lanczos')));
  });
  const onDevice = kept.get('covering');
  const data = await readTensor(engine.gpu.device, onDevice);
  return { ...size, channels: picture.channels, data, onDevice, destroy: () => kept.destroy() };
}

function middleOf(picture: Size, size: Size): Size & { readonly x: number; readonly y: number } {
  const { crop } = coverFit({ ...picture, orientation: 1 }, size);
  const [x, y] = [Math.floor(crop.x), Math.floor(crop.y)];
  const width = Math.min(picture.width - x, Math.max(1, Math.round(crop.width)));
  const height = Math.min(picture.height - y, Math.max(1, Math.round(crop.height)));
  return { x, y, width, height };
}
