/** Attention and rotary position embedding of transformers. */
import { EngineError } from '../../gpu/errors.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import { attention as attentionKernel } from '../../kernels/attention.ts';
import { attentionDirect } from '../../kernels/attention-direct.ts';
import { attentionMatrix } from '../../kernels/attention-matrix.ts';
import { attentionTiled } from '../../kernels/attention-tiled.ts';
import { frameAttention } from '../../kernels/frame-attention.ts';
import {
  frameAttentionHeld,
  MOST_FRAMES,
  WIDEST_HELD,
} from '../../kernels/frame-attention-held.ts';
import type { Pairing } from '../../kernels/qk-norm-rope.ts';
import { qkNormRope } from '../../kernels/qk-norm-rope.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';
import { withPaddedHeads } from './heads.ts';

export type AttentionInputs = Inputs & {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly bias: Tensor | undefined;
  readonly residual: Tensor | undefined;
};

export type AttentionAttrs = {
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number;
  readonly lastKeyBias: number;
  readonly groups: number;
};

export type AttentionOptions = {
  readonly heads: number;
  /** Heads of k and v, each shared by heads / kvHeads neighbours of q; default: as many as q has. */
  readonly kvHeads?: number;
  /** Factor on q kᵀ; default 1 / √(head width). */
  readonly scale?: number;
  /** Table [heads, Lq + Lk − 1]: entry key − query + Lq − 1 is added to the score. */
  readonly bias?: Tensor | undefined;
  /** Added to the score of the last key: ln n makes it count as n equal keys. */
  readonly lastKeyBias?: number;
  /** Equal runs of rows that see only the equal run of keys at their place, e.g. frames; default one. */
  readonly groups?: number;
};

/** Widest head that the kernel can hold; it takes multiples of four, others are padded. */
const WIDEST = 1024;

export const attentionOp: Op<AttentionInputs, AttentionAttrs> = {
  name: 'attention',
  riders: ['residual'],
  lower({ inputs, attrs, outputs }: Node<AttentionInputs, AttentionAttrs>) {
    const { q, k, v, bias, residual } = inputs;
    const plain = !bias && !residual && attrs.lastKeyBias === 0 && attrs.kvHeads === attrs.heads;
    if (plain && attrs.groups > 1 && rowsOf(q.shape) === rowsOf(k.shape)) {
      const { heads, scale, groups: N } = attrs;
      const [F, D] = [rowsOf(q.shape) / N, (q.shape.at(-1) ?? 0) / heads];
      if (F <= MOST_FRAMES && D <= WIDEST_HELD) {
        const dims = { F, N, heads, D, scale, frameStep: 1, placeStep: F };
        const tensors = { q, k, v, y: outputs[0] };
        return [{ kernel: frameAttention, variants: [frameAttentionHeld], tensors, dims }];
      }
    }
    const dims = {
      ...attrs,
      Lq: rowsOf(q.shape) / attrs.groups,
      Lk: rowsOf(k.shape) / attrs.groups,
      D: (q.shape.at(-1) ?? 0) / attrs.heads,
    };
    const variants = [attentionDirect, attentionMatrix, attentionTiled];
    return [{ kernel: attentionKernel, variants, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/**
 * Returns softmax(scale q kᵀ + bias) v for each head: q [Lq, heads · D], k and v [Lk, kvHeads · D] -> [Lq, heads · D].
 * With `groups`, the rows of each see its own keys alone.
 * Throws `graph/head-width` unless D is a whole number up to 1024.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { graph } = q;
  const { heads, kvHeads = heads, bias, lastKeyBias = 0, groups = 1 } = options;
  const D = (q.shape.at(-1) ?? 0) / heads;
  if (!Number.isInteger(D) || D > WIDEST) {
    throw new EngineError(
      'graph/head-width',
      `attention in ${graph.scope || 'graph'} — got heads ${D} wide, needs a whole number up to ${WIDEST}`,
      { have: D, need: WIDEST },
    );
  }
  const scale = options.scale ?? 1 / Math.sqrt(D);
  if (D % 4 !== 0) {
    const padded = { ...options, scale };
    return withPaddedHeads([q, k, v], { heads, kvHeads }, (...qkv) => attention(...qkv, padded));
  }
  const [Lq, Lk] = [rowsOf(q.shape) / groups, rowsOf(k.shape) / groups];
  const whole = Number.isInteger(Lq) && Number.isInteger(Lk);
  checkShape(whole, graph, 'attention', q.shape, `${groups} equal groups of rows and keys`);
  checkShape(
    heads % kvHeads === 0 && k.shape.at(-1) === kvHeads * D,
    graph,
    'attention keys',
    k.shape,
    `last axis ${kvHeads * D}`,
  );
  checkShape(
    rowsOf(v.shape) === groups * Lk && v.shape.at(-1) === kvHeads * D,
    graph,
    'attention values',
    v.shape,
    `[${groups * Lk}, ${kvHeads * D}]`,
  );
  if (bias) {
    const fits = bias.shape[0] === heads && bias.shape[1] === Lq + Lk - 1;
    checkShape(fits, graph, 'attention bias', bias.shape, `[${heads}, ${Lq + Lk - 1}]`);
  }
  const attrs = { heads, kvHeads, scale, lastKeyBias, groups };
  return graph.add(attentionOp, { q, k, v, bias, residual: undefined }, attrs, q.shape);
}

export type RopeInputs = Inputs & {
  readonly x: Tensor;
  readonly weight: Tensor | undefined;
  readonly table: Tensor;
};

export type RopeAttrs = {
  readonly heads: number;
  readonly pairing: Pairing;
  readonly rowsPerPosition: number;
  /** Matrices of equal size that stand behind one another in x, each with its own row of weights. */
  readonly planes: number;
  /** Set when the norm before it was folded in. */
  readonly norm: { readonly eps: number } | undefined;
};

export const ropeOp: Op<RopeInputs, RopeAttrs> = {
  name: 'rope',
  lower({ inputs: { x, weight, table }, attrs, outputs }: Node<RopeInputs, RopeAttrs>) {
    const { heads, pairing, rowsPerPosition, planes, norm } = attrs;
    const dims = {
      rows: rowsOf(x.shape),
      heads,
      D: (x.shape.at(-1) ?? 0) / heads,
      rowsPerPosition,
      planeRows: rowsOf(x.shape) / planes,
      eps: norm?.eps ?? 0,
    };
    const values = { PAIRING: pairing, NORM: norm !== undefined };
    return [{ kernel: qkNormRope, tensors: { x, weight, table, y: outputs[0] }, dims, values }];
  },
};

/**
 * Returns x [rows, heads · D] with the pairs of each head turned by their angles. table [positions, D] holds cos and
 * sin of pair j at 2j and 2j + 1; row r stands at position floor(r / rowsPerPosition).
 */
export function rope(
  x: Tensor,
  table: Tensor,
  options: { heads: number; pairing?: Pairing; rowsPerPosition?: number },
): Tensor {
  const { heads, pairing = 'interleaved', rowsPerPosition = 1 } = options;
  const D = (x.shape.at(-1) ?? 0) / heads;
  const whole = Number.isInteger(D) && D % (pairing === 'half' ? 8 : 4) === 0;
  checkShape(
    whole,
    x.graph,
    'rope',
    x.shape,
    `${heads} heads of a multiple of ${pairing === 'half' ? 8 : 4}`,
  );
  const positions = Math.ceil(rowsOf(x.shape) / rowsPerPosition);
  checkShape(
    table.shape[0] === positions && table.shape[1] === D,
    x.graph,
    'rope table',
    table.shape,
    `[${positions}, ${D}]`,
  );
  const attrs = { heads, pairing, rowsPerPosition, planes: 1, norm: undefined };
  return x.graph.add(ropeOp, { x, weight: undefined, table }, attrs, x.shape);
}
