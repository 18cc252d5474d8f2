/** A picture moved along a field of displacements: the field at a moment, the warp, and the mended frame. */
import { blendKeys as blendKeysKernel } from '../../kernels/blend-keys.ts';
import { mend as mendKernel } from '../../kernels/mend.ts';
import { WARP_CHANNELS, blocksOf, warp as warpKernel } from '../../kernels/warp.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type FrameSize = { readonly height: number; readonly width: number };

export type BlendInputs = Inputs & {
  readonly keys: Tensor;
  readonly frames: Tensor;
  readonly step: Tensor;
};

export const blendKeysOp: Op<BlendInputs, null> = {
  name: 'blend-keys',
  lower({ inputs, outputs }: Node<BlendInputs, null>) {
    const { keys, frames } = inputs;
    const [K = 1, h = 1, w = 1] = keys.shape;
    const dims = { N: frames.shape[0] ?? 1, K, cells: h * w };
    return [{ kernel: blendKeysKernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/** Returns the field [h, w, 4] of keys [K, h, w, 4] at the moment in row step[0] of `frames`; see field.ts. */
export function blendKeys(keys: Tensor, frames: Tensor, step: Tensor): Tensor {
  checkShape(keys.shape[3] === 4, keys.graph, 'key fields', keys.shape, '[keys, h, w, 4]');
  return keys.graph.add(blendKeysOp, { keys, frames, step }, null, keys.shape.slice(1), 'f32');
}

export type WarpInputs = Inputs & { readonly field: Tensor; readonly picture: Tensor };

export const warpOp: Op<WarpInputs, FrameSize> = {
  name: 'warp',
  lower({ inputs, attrs: { height, width }, outputs }: Node<WarpInputs, FrameSize>) {
    const [h = 1, w = 1] = inputs.field.shape;
    const [H0 = 1, W0 = 1] = inputs.picture.shape;
    const dims = { H: height, W: width, h, w, H0, W0 };
    return [{ kernel: warpKernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/** Returns picture [H0, W0, 3] moved along field [h, w, 4], as blocks of 2 × 2 pixels [H', W', 32]: see warp.wgsl. */
export function warp(field: Tensor, picture: Tensor, size: FrameSize): Tensor {
  checkShape(picture.shape[2] === 3, field.graph, 'picture', picture.shape, '[H, W, 3]');
  const shape = [blocksOf(size.height), blocksOf(size.width), 4 * WARP_CHANNELS];
  return field.graph.add(warpOp, { field, picture }, size, shape);
}

export type MendInputs = Inputs & { readonly warped: Tensor; readonly delta: Tensor };

export const mendOp: Op<MendInputs, FrameSize> = {
  name: 'mend',
  lower({ inputs, attrs: { height, width }, outputs }: Node<MendInputs, FrameSize>) {
    const dims = { H: height, W: width };
    return [{ kernel: mendKernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/** Returns the frame as RGBA8 words [H · W]: `warped` with the change `delta` [H', W', 12] where it is not trusted. */
export function mend(warped: Tensor, delta: Tensor, size: FrameSize): Tensor {
  const fits = delta.shape[0] === warped.shape[0] && delta.shape[1] === warped.shape[1];
  checkShape(fits, delta.graph, 'mend', delta.shape, `blocks of [${warped.shape.join(', ')}]`);
  return delta.graph.add(mendOp, { warped, delta }, size, [size.height * size.width], 'u32');
}
