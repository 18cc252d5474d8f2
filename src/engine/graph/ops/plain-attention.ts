/**
 * Attention as three operations for each head: all scores, their softmax, the sum of the values. The measure that fused
 * attention is held against; see passes/plain-attention.ts.
 */
import { rowsOf } from '../../gpu/tensor.ts';
import { matmulPair } from '../../kernels/matmul-pair.ts';
import { softmax as softmaxKernel } from '../../kernels/softmax.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { concat, permute, slice } from './layout.ts';

type PairInputs = Inputs & { readonly x: Tensor; readonly w: Tensor };

const pairOp: Op<PairInputs, null> = {
  name: 'product',
  lower({ inputs: { x, w }, outputs }: Node<PairInputs, null>) {
    const [N = 1, K = 1] = w.shape;
    const rest = { gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: 1, planes: 1 };
    const dims = { M: rowsOf(x.shape), N, K, ...rest };
    const values = { ACTIVATION: 'none' };
    return [{ kernel: matmulPair, tensors: { x, w, y: outputs[0] }, dims, values }];
  },
};

type SoftmaxAttrs = { readonly scale: number; readonly lastBias: number };

const softmaxOp: Op<Inputs & { readonly x: Tensor }, SoftmaxAttrs> = {
  name: 'softmax',
  lower({ inputs: { x }, attrs, outputs }: Node<Inputs & { readonly x: Tensor }, SoftmaxAttrs>) {
    const dims = { rows: rowsOf(x.shape), C: x.shape.at(-1) ?? 1, ...attrs };
    return [{ kernel: softmaxKernel, tensors: { x, y: outputs[0] }, dims }];
  },
};

export type PlainAttentionOptions = {
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
  readonly lastKeyBias: number;
};

/**
 * Returns softmax(scale q kᵀ) v for each head: q [Lq, heads · D], k and v [Lk, kvHeads · D] -> [Lq, heads · D]. Holds
 * the scores [Lq, Lk] of one head at a time.
 */
export function plainAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, kvHeads, scale, lastKeyBias }: PlainAttentionOptions,
): Tensor {
  const { graph } = q;
  const D = (q.shape.at(-1) ?? 0) / heads;
  const rows = (x: Tensor): Tensor => graph.alias(x, [rowsOf(x.shape), x.shape.at(-1) ?? 1]);
  const [Q, K, V] = [rows(q), rows(k), rows(v)];
  const parts = Array.from({ length: heads }, (_, head) => {
    const shared = Math.floor((head * kvHeads) / heads) * D;
    const of = (x: Tensor, at: number): Tensor => slice(x, 1, at, D);
    const [own, keys, values] = [of(Q, head * D), of(K, shared), of(V, shared)];
    const [Lq, Lk] = [own.shape[0] ?? 1, keys.shape[0] ?? 1];
    const scores = graph.add(pairOp, { x: own, w: keys }, null, [Lq, Lk]);
    const attrs = { scale, lastBias: lastKeyBias };
    const shares = graph.add(softmaxOp, { x: scores }, attrs, [Lq, Lk]);
    return graph.add(pairOp, { x: shares, w: permute(values, [1, 0]) }, null, [Lq, D]);
  });
  return graph.alias(concat(parts, 1), q.shape);
}
