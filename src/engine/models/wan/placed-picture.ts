/** Pictures that stay on the device between two models: fitted, resized and normalised there. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import type { Tensor } from '../../graph/graph.ts';
import { affine, relu } from '../../graph/ops/elementwise.ts';
import { permute, reshape, slice } from '../../graph/ops/layout.ts';
import { matmulWeight } from '../../graph/ops/linear.ts';
import type { Size } from '../../image/fit.ts';
import type { ResizeFilter } from '../../image/resize.ts';
import { resizeMatrix } from '../../image/resize.ts';
import { computeOnce } from '../../nn/kept.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import { CLIP_DEVIATION, CLIP_MEAN } from './clip-vision.ts';

/** Returns x held to 0 … 1. */
export const heldToUnit = (x: Tensor): Tensor => affine(relu(affine(relu(x), -1, 1)), -1, 1);

/** Returns the rectangle of a picture [1, H, W, C] that begins at (x, y). */
export const cutOut = (
  picture: Tensor,
  { x, y, width, height }: Size & { readonly x: number; readonly y: number },
): Tensor => slice(slice(picture, 1, y, height), 2, x, width);

/** Returns a picture [1, H, W, C] at another size, as `resizeFloats` does it: a product of matrices for each axis. */
export function resizedOnDevice(
  picture: Tensor,
  { width, height }: Size,
  filter: ResizeFilter,
): Tensor {
  const { graph } = picture;
  const [, H = 1, W = 1, C = 1] = picture.shape;
  if (H === height && W === width) return picture;
  const along = (x: Tensor, from: number, to: number): Tensor => {
    const values = resizeMatrix(filter, from, to);
    return matmulWeight(x, graph.constant(`resize ${from}`, values, [to, from]), undefined, 'f32');
  };
  const rows = along(permute(reshape(picture, [H, W, C]), [0, 2, 1]), W, width);
  const columns = along(permute(rows, [2, 1, 0]), H, height);
  return reshape(permute(columns, [2, 0, 1]), [1, height, width, C]);
}

/** Pictures [1, H, W, C] in f32 that lie on the device, by number. */
export type PlacedFrames = ReadonlyMap<number, DeviceTensor>;

/** Tensors of one shape by number, each in memory of its own. */
export type Placed = { readonly frames: PlacedFrames; destroy(): void };

/** Resolves to pictures in 0 … 1 as frames in −1 … 1. */
export const signedOnDevice = (
  engine: Engine,
  pictures: PlacedFrames,
  options: RunOptions,
): Promise<Placed> => each(engine, pictures, (x) => affine(x, 2, -1), options);

/** Resolves to pictures in 0 … 1 squeezed into CLIP's square of `side` pixels and normalised. */
export const squaresOnDevice = (
  engine: Engine,
  pictures: PlacedFrames,
  side: number,
  options: RunOptions,
): Promise<Placed> =>
  each(
    engine,
    pictures,
    (x) => {
      const { graph } = x;
      const factors = CLIP_DEVIATION.map((deviation) => 1 / deviation);
      const matrix = factors.flatMap((factor, i) => factors.map((_, j) => (i === j ? factor : 0)));
      const shifts = factors.map((factor, i) => -(CLIP_MEAN[i] ?? 0) * factor);
      return matmulWeight(
        resizedOnDevice(x, { width: side, height: side }, 'bicubic'),
        graph.constant('1 / deviation', matrix, [3, 3]),
        graph.constant('-mean / deviation', shifts, [3]),
        'f32',
      );
    },
    options,
  );

/** What `change` makes of each tensor, in f32. */
async function each(
  engine: Engine,
  tensors: PlacedFrames,
  change: (x: Tensor) => Tensor,
  { signal }: RunOptions,
): Promise<Placed> {
  if (tensors.size === 0) return { frames: tensors, destroy: () => undefined };
  const kept = await computeOnce(
    { ...engine, precision: 'f32' },
    SHAPES_ALONE,
    ({ graph }) => {
      for (const [index, tensor] of tensors)
        graph.result(`${index}`, change(graph.external(tensor)));
    },
    signal && { signal },
  );
  const names = [...tensors.keys()];
  return {
    frames: new Map(names.map((index) => [index, kept.get(`${index}`)])),
    destroy: () => kept.destroy(),
  };
}
