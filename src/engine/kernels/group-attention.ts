/** group-attention: each group of rows attends to a few keys of its own, as the frames of a talking portrait to their sound. */
import wgsl from '../../shaders/group-attention.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

/** Keys that a group may have. */
export const MOST_GROUP_KEYS = 8;

export const groupAttention = defineKernel({
  name: 'group-attention',
  wgsl,
  tensors: { q: input(), k: input(), v: input(), y: output() },
  uniforms: {
    ...{ rows: 'u32', rowsPerGroup: 'u32', keys: 'u32', heads: 'u32', D: 'u32', scale: 'f32' },
  },
  tune: {},
  grid: ({ rows = 1, heads = 1 }) => [Math.ceil((rows * heads) / 64), 1, 1],
  cost: ({ rows = 1, heads = 1, keys = 1, D = 4 }) => ({
    flops: 4 * rows * heads * keys * D,
    bytes: 4 * rows * heads * D,
  }),
  shapes: ({ rows = 1, rowsPerGroup = 1, keys = 1, heads = 1, D = 4 }) => ({
    q: [rows, heads * D],
    k: [(rows / rowsPerGroup) * keys, heads * D],
    v: [(rows / rowsPerGroup) * keys, heads * D],
    y: [rows, heads * D],
  }),
  cpu: groupAttentionCpu,
  tolerance: { f32: { abs: 3e-6, rel: 1e-5 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    {
      dims: { rows: 21, rowsPerGroup: 7, keys: 5, heads: 3, D: 20, scale: 1 / Math.sqrt(20) },
      why: 'three groups, five keys',
    },
    {
      dims: { rows: 70, rowsPerGroup: 35, keys: 8, heads: 2, D: 128, scale: 1 },
      fill: (name: string, i: number) =>
        (name === 'v' ? 1 : 4) * Math.sin(i * (name === 'q' ? 0.37 : 0.73)),
      why: 'most keys, peaked scores',
    },
    { dims: { rows: 3, rowsPerGroup: 1, keys: 1, heads: 1, D: 4, scale: 2 }, why: 'one key' },
  ],
  bench: [
    {
      dims: { rows: 3168, rowsPerGroup: 1056, keys: 5, heads: 40, D: 128, scale: 0.088 },
      why: 'Live Avatar, three frames listen',
    },
  ],
});

function groupAttentionCpu({ q, k, v }: Arrays, dims: Dims): Arrays {
  const { rows = 1, rowsPerGroup = 1, keys = 1, heads = 1, D = 4, scale = 1 } = dims;
  const y = new Float32Array(rows * heads * D);
  for (let i = 0; i < rows * heads; i++) {
    const [row, head] = [Math.floor(i / heads), i % heads];
    const at = (j: number): number =>
      ((Math.floor(row / rowsPerGroup) * keys + j) * heads + head) * D;
    const scores = Array.from({ length: keys }, (_, j) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += q![i * D + d]! * k![at(j) + d]!;
      return sum * scale;
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let d = 0; d < D; d++) {
      y[i * D + d] = weights.reduce((sum, w, j) => sum + w * v![at(j) + d]!, 0) / total;
    }
  }
  return { y };
}
