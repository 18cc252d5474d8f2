/** Attention: q [groups · Lq, heads, D] on k and v [groups · Lk, heads, D], each group by itself. */
import { attention } from '../../src/engine/graph/ops/attention.ts';
import type { Fill } from '../fill.ts';
import { valueAt } from '../fill.ts';
import type { Operator } from './operator.ts';
import { asIs } from './operator.ts';

const Q: Fill = { seed: 3, scale: 4 };
const K: Fill = { seed: 4, scale: 1 };
const V: Fill = { seed: 5, scale: 1 };

/** Beyond this many scores a library that keeps them all needs more memory than a buffer holds. */
const MOST_SCORES = 2 ** 28;

export const attentionOperator = (
  Lq: number,
  Lk: number,
  heads: number,
  D: number,
): Operator<Names> =>
  groupedAttention(`attention ${Lq}${Lq === Lk ? '' : `→${Lk}`} tokens ${heads}×${D}`, {
    groups: 1,
    Lq,
    Lk,
    heads,
    D,
  });

/** Every place of a picture attends to itself in the other frames. */
export const temporalOperator = (
  frames: number,
  places: number,
  heads: number,
  D: number,
): Operator<Names> =>
  groupedAttention(`temporal attention ${frames} tokens, batch ${places * heads} of ${D}`, {
    ...{ groups: places, Lq: frames, Lk: frames, heads, D },
  });

type Names = 'q' | 'k' | 'v';

type Sizes = Readonly<Record<'groups' | 'Lq' | 'Lk' | 'heads' | 'D', number>>;

function groupedAttention(name: string, { groups, Lq, Lk, heads, D }: Sizes): Operator<Names> {
  const query = [groups * Lq, heads, D];
  const key = [groups * Lk, heads, D];
  const batches = (rows: number, tail: readonly number[]) =>
    asIs([groups * rows, heads, D], [groups, rows, ...tail]);
  const flat = { q: batches(Lq, [heads * D]), k: batches(Lk, [heads * D]) };
  const split = { q: batches(Lq, [heads, D]), k: batches(Lk, [heads, D]) };
  return {
    name,
    operands: {
      q: { shape: query, fill: Q },
      k: { shape: key, fill: K },
      v: { shape: key, fill: V },
    },
    result: query,
    flops: 4 * groups * Lq * Lk * heads * D,
    shapes: {
      q: [groups * Lq, heads * D],
      k: [groups * Lk, heads * D],
      v: [groups * Lk, heads * D],
    },
    build: (_, { q, k, v }) => attention(q, k, v, { heads, groups }),
    referenceFlops: 2 * Lk * D,
    expected([row = 0, head = 0, column = 0]) {
      const at = (token: number): number => (token * heads + head) * D;
      const first = Math.floor(row / Lq) * Lk;
      const query = Float64Array.from({ length: D }, (_, d) => valueAt(Q, at(row) + d));
      const scores = Float64Array.from({ length: Lk }, (_, token) => {
        let score = 0;
        for (let d = 0; d < D; d++) score += (query[d] ?? 0) * valueAt(K, at(first + token) + d);
        return score / Math.sqrt(D);
      });
      const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      let [sum, weight] = [0, 0];
      scores.forEach((score, token) => {
        const share = Math.exp(score - most);
        weight += share;
        sum += share * valueAt(V, at(first + token) + column);
      });
      return sum / weight;
    },
    onnx: {
      layouts: { ...flat, v: flat.k, y: flat.q },
      nodes: [
        {
          op: 'MultiHeadAttention',
          domain: 'com.microsoft',
          inputs: ['q', 'k', 'v'],
          outputs: ['y'],
          attributes: { num_heads: heads },
        },
      ],
    },
    ...(groups * Lq * Lk * heads <= MOST_SCORES && {
      jax: {
        layouts: { ...split, v: split.k, y: split.q },
        run: (jax, { q, k, v }) => jax.nn.dotProductAttention(q, k, v),
      },
    }),
  };
}
