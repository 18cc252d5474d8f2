/**
 * Attention as three operations for each head: all scores, their softmax, the sum of the values. The measure that fused
 * attention is held against; see passes/plain-attention.ts.
 */
import type { Dtype, Shape } from '../../gpu/tensor.ts';
import { bytesOf, rowsOf } from '../../gpu/tensor.ts';
import type { Dispatch } from '../../kernels/kernel.ts';
import { matmulPair } from '../../kernels/matmul-pair.ts';
import { softmax } from '../../kernels/softmax.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { BINDING_ALIGNMENT } from '../graph.ts';
import { rearrange } from './layout.ts';

/** q [heads, Lq, D], k [kvHeads, Lk, D], v [kvHeads, D, Lk]. */
type PlainInputs = Inputs & { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor };

type PlainAttrs = { readonly scale: number; readonly lastKeyBias: number };

/** Outputs: the result [heads, Lq, D], then the scores and shares [Lq, Lk] of the head at hand. */
export const plainAttentionOp: Op<PlainInputs, PlainAttrs> = {
  name: 'plain-attention',
  lower({ inputs, attrs, outputs }: Node<PlainInputs, PlainAttrs>) {
    const { q, k, v } = inputs;
    const [y, scores, shares] = outputs;
    if (!y || !scores || !shares) return [];
    const [heads = 1, Lq = 1, D = 1] = q.shape;
    const [kvHeads = 1, Lk = 1] = k.shape;
    const normalise = {
      kernel: softmax,
      tensors: { x: scores, y: shares },
      dims: { rows: Lq, C: Lk, scale: attrs.scale, lastBias: attrs.lastKeyBias },
    };
    return Array.from({ length: heads }, (_, head) => {
      const shared = Math.floor((head * kvHeads) / heads);
      return [
        product(plane(q, head), plane(k, shared), scores, [Lq, Lk, D]),
        normalise,
        product(shares, plane(v, shared), plane(y, head), [Lq, D, Lk]),
      ];
    }).flat();
  },
};

const planeBytes = ({ shape, dtype }: { shape: Shape; dtype: Dtype }): number =>
  bytesOf(shape.slice(1), dtype);

/** Matrix `index` of x, in place. */
const plane = (x: Tensor, index: number): Tensor =>
  x.graph.part(x, index * planeBytes(x), x.shape.slice(1));

function product(
  x: Tensor,
  w: Tensor,
  y: Tensor,
  [M, N, K]: readonly [number, number, number],
): Dispatch<Tensor> {
  const gate = { gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: 1 };
  const dims = { M, N, K, ...gate, planes: 1 };
  return { kernel: matmulPair, tensors: { x, w, y }, dims, values: { ACTIVATION: 'none' } };
}

export type PlainAttentionOptions = {
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
  readonly lastKeyBias: number;
  /** Equal runs of rows, each with an equal run of keys of its own. */
  readonly groups: number;
};

/**
 * Returns softmax(scale q kᵀ) v for each head: q [groups · Lq, heads · D], k and v [groups · Lk, kvHeads · D] ->
 * q's shape. Holds the scores [Lq, Lk] of one head of one group at a time. Undefined where the matrices of heads would lie between bindings.
 */
export function plainAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, kvHeads, groups, ...attrs }: PlainAttentionOptions,
): Tensor | undefined {
  const { graph } = q;
  const D = (q.shape.at(-1) ?? 0) / heads;
  const [Lq, Lk] = [rowsOf(q.shape) / groups, rowsOf(k.shape) / groups];
  const shapes = [
    [groups * heads, Lq, D],
    [groups * kvHeads, Lk, D],
    [groups * kvHeads, D, Lk],
  ];
  const aligned = shapes.every(
    (shape) => planeBytes({ shape, dtype: graph.compute }) % BINDING_ALIGNMENT === 0,
  );
  if (!aligned || [q, k, v].some(({ dtype }) => dtype !== graph.compute)) return undefined;
  const rows = (x: Tensor): Tensor => graph.alias(x, [rowsOf(x.shape), x.shape.at(-1) ?? 1]);
  const matrices = {
    q: rearrange(rows(q), '(g l) (h d) -> (g h) l d', { g: groups, h: heads }),
    k: rearrange(rows(k), '(g l) (h d) -> (g h) l d', { g: groups, h: kvHeads }),
    v: rearrange(rows(v), '(g l) (h d) -> (g h) d l', { g: groups, h: kvHeads }),
  };
  const outputs = [
    [groups * heads, Lq, D],
    [Lq, Lk],
    [Lq, Lk],
  ];
  const [y] = graph.addMany(plainAttentionOp, matrices, attrs, outputs);
  const together = y && rearrange(y, '(g h) l d -> (g l) (h d)', { g: groups });
  return together && graph.alias(together, q.shape);
}
