/** Classifier-free guidance of a velocity, and a bound on what comes of it. */
import { pitchOf, rowsOf } from '../../gpu/tensor.ts';
import { limitNorm as limitNormKernel } from '../../kernels/limit-norm.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';
import { add, affine } from './elementwise.ts';

type LimitInputs = Inputs & { readonly x: Tensor; readonly c: Tensor };

const limitNormOp: Op<LimitInputs, { readonly limit: number }> = {
  name: 'limit-norm',
  lower({ inputs, attrs, outputs }: Node<LimitInputs, { readonly limit: number }>) {
    const { shape } = inputs.x;
    const dims = { groups: (rowsOf(shape) * pitchOf(shape)) / 4, ...attrs };
    return [{ kernel: limitNormKernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/** Returns u + scale (c − u), in f32. With `limit` above 0 it is made no longer than limit · ‖c‖, over all values. */
export function guided(c: Tensor, u: Tensor, scale: number, limit = 0): Tensor {
  checkShape(
    c.shape.join() === u.shape.join(),
    c.graph,
    'guidance',
    u.shape,
    `[${c.shape.join()}]`,
  );
  const x = add(affine(c, scale), affine(u, 1 - scale));
  return limit > 0 ? c.graph.add(limitNormOp, { x, c }, { limit }, x.shape, 'f32') : x;
}
