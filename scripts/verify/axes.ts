/** Axes of stored tensors (channels second) against those of the engine (channels last). */
import type { Shape } from '../../src/engine/gpu/tensor.ts';

/** Returns row-major values with axis order[i] of `shape` at place i. */
export function transpose(
  values: Float32Array,
  shape: Shape,
  order: readonly number[],
): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const to = order.map((axis) => ({ length: shape[axis] ?? 1, stride: strides[axis] ?? 1 }));
  const moved = new Float32Array(values.length);
  for (let i = 0; i < moved.length; i++) {
    let rest = i;
    let at = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const { length = 1, stride = 0 } = to[axis] ?? {};
      at += (rest % length) * stride;
      rest = Math.floor(rest / length);
    }
    moved[i] = values[at] ?? NaN;
  }
  return moved;
}

/** [1, C, ..., H, W] -> [..., H, W, C]. */
export function channelsLast(values: Float32Array, shape: Shape): Float32Array {
  const [, C = 1, ...space] = shape;
  return transpose(values, [C, space.reduce((a, b) => a * b, 1)], [1, 0]);
}

/** [..., C] with `C` channels -> [1, C, ...]. */
export const channelsFirst = (values: Float32Array, C: number): Float32Array =>
  transpose(values, [values.length / C, C], [1, 0]);
