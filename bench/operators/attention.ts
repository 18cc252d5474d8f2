/** Attention: q [Lq, heads, D] on k and v [Lk, heads, D]. */
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

export function attentionOperator(
  Lq: number,
  Lk: number,
  heads: number,
  D: number,
): Operator<'q' | 'k' | 'v'> {
  const [query, key] = [
    [Lq, heads, D],
    [Lk, heads, D],
  ];
  const layouts = { q: asIs(query), k: asIs(key), v: asIs(key), y: asIs(query) };
  const flat = (shape: readonly number[]) => asIs(shape, [1, shape[0] ?? 1, heads * D]);
  const scores = Lq * Lk * heads;
  return {
    name: `attention ${Lq}${Lq === Lk ? '' : `→${Lk}`} tokens ${heads}×${D}`,
    operands: {
      q: { shape: query, fill: Q },
      k: { shape: key, fill: K },
      v: { shape: key, fill: V },
    },
    result: query,
    flops: 4 * Lq * Lk * heads * D,
    shapes: { q: [Lq, heads * D], k: [Lk, heads * D], v: [Lk, heads * D] },
    build: (_, { q, k, v }) => attention(q, k, v, { heads }),
    expected([row = 0, head = 0, column = 0]) {
      const at = (token: number): number => (token * heads + head) * D;
      const query = Float64Array.from({ length: D }, (_, d) => valueAt(Q, at(row) + d));
      const scores = Float64Array.from({ length: Lk }, (_, token) => {
        let score = 0;
        for (let d = 0; d < D; d++) score += (query[d] ?? 0) * valueAt(K, at(token) + d);
        return score / Math.sqrt(D);
      });
      const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      let [sum, weight] = [0, 0];
      scores.forEach((score, token) => {
        const share = Math.exp(score - most);
        weight += share;
        sum += share * valueAt(V, at(token) + column);
      });
      return sum / weight;
    },
    onnx: {
      layouts: { q: flat(query), k: flat(key), v: flat(key), y: flat(query) },
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
    ...(scores <= MOST_SCORES && {
      jax: {
        layouts,
        run: (jax, { q, k, v }) => jax.nn.dotProductAttention(q, k, v),
      },
    }),
  };
}
