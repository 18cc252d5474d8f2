/** Attention with capped scores, as Gemma 2 has it: each head's scores are held as a whole, so it is for texts. */
import type { Dtype } from '../../gpu/tensor.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import { matmulPair } from '../../kernels/matmul-pair.ts';
import { softmax as softmaxKernel } from '../../kernels/softmax.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { addRows, affine, tanh } from './elementwise.ts';
import { concat, permute, slice } from './layout.ts';

type PairInputs = Inputs & { readonly x: Tensor; readonly w: Tensor };

const productOp: Op<PairInputs, null> = {
  name: 'product',
  lower({ inputs: { x, w }, outputs }: Node<PairInputs, null>) {
    const gate = { gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: 1 };
    const [N = 1, K = 1] = w.shape;
    const dims = { M: rowsOf(x.shape), N, K, ...gate, planes: 1 };
    const values = { ACTIVATION: 'none' };
    return [{ kernel: matmulPair, tensors: { x, w, y: outputs[0] }, dims, values }];
  },
};

const softmaxOp: Op<Inputs & { readonly x: Tensor }, null> = {
  name: 'softmax',
  lower({ inputs: { x }, outputs }: Node<Inputs & { readonly x: Tensor }, null>) {
    const dims = { rows: rowsOf(x.shape), C: x.shape.at(-1) ?? 1, scale: 1, lastBias: 0 };
    return [{ kernel: softmaxKernel, tensors: { x, y: outputs[0] }, dims }];
  },
};

/** Returns x wᵀ: x [M, K], w [N, K] -> [M, N]. */
const product = (x: Tensor, w: Tensor, dtype?: Dtype): Tensor =>
  x.graph.add(productOp, { x, w }, null, [rowsOf(x.shape), rowsOf(w.shape)], dtype);

export type CappedAttentionOptions = {
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
  readonly cap: number;
  /** Added to the capped score of key − query at key − query + Lq − 1: [Lq + Lk − 1]. */
  readonly mask: Float32Array;
};

/** Returns softmax(cap · tanh(scale q kᵀ / cap) + mask) v for each head: q [Lq, heads · D] -> the same. */
export function cappedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, kvHeads, scale, cap, mask }: CappedAttentionOptions,
): Tensor {
  const { graph } = q;
  const D = (q.shape.at(-1) ?? 0) / heads;
  const [Lq, Lk] = [rowsOf(q.shape), rowsOf(k.shape)];
  const seen = Float32Array.from(
    { length: Lq * Lk },
    (_, i) => mask[(i % Lk) - Math.floor(i / Lk) + Lq - 1] ?? NaN,
  );
  const table = graph.constant('mask', seen, [Lq, Lk]);
  const parts = Array.from({ length: heads }, (_, head) => {
    const shared = Math.floor((head * kvHeads) / heads) * D;
    const own = slice(q, 1, head * D, D);
    const scores = product(own, slice(k, 1, shared, D), 'f32'); // [Lq, Lk]
    const capped = affine(tanh(affine(scores, scale / cap)), cap);
    const ready = addRows(capped, table);
    const shares = graph.add(softmaxOp, { x: ready }, null, ready.shape);
    return product(shares, permute(slice(v, 1, shared, D), [1, 0]));
  });
  return concat(parts, 1);
}
