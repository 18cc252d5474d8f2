/** attention: softmax(scale q kᵀ + bias) v + residual for each head, self and cross, any length, one pass over the keys. */
import wgsl from '../../shaders/attention.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';

/** Dims of a call with one key head for each query head and the usual scale. */
export function attentionDims(heads: number, D: number, Lq: number, Lk: number): Dims {
  return { heads, kvHeads: heads, D, Lq, Lk, scale: 1 / Math.sqrt(D), lastKeyBias: 0 };
}

export const attention = defineKernel({
  name: 'attention',
  wgsl,
  tensors: {
    q: input(),
    k: input(),
    v: input(),
    bias: optional(weight('f32')),
    residual: optional(input()),
    y: output(),
  },
  uniforms: {
    Lq: 'u32',
    Lk: 'u32',
    heads: 'u32',
    kvHeads: 'u32',
    D: 'u32',
    scale: 'f32',
    lastKeyBias: 'f32',
  },
  tune: {},
  // Few sizes, so that models share pipelines; one block of 32 columns needs no indexed array.
  choose: ({ D = 4, Lq = 1 }) => ({
    BLOCKS: [1, 2, 4, 16].find((blocks) => D <= 32 * blocks) ?? 32,
    BQ: D > 384 || Lq <= 32 ? 32 : 64,
  }),
  grid: ({ Lq = 1, heads = 1, groups = 1 }, { BQ }) => [Math.ceil(Lq / Number(BQ)), heads, groups],
  cost: ({ Lq = 1, Lk = 1, heads = 1, D = 4, groups = 1 }) => ({
    flops: 4 * Lq * Lk * heads * D * groups,
    bytes: 4 * (Lq + Lk) * heads * D * groups,
  }),
  shapes: ({ Lq = 1, Lk = 1, heads = 1, kvHeads = 1, D = 4, groups = 1 }) => ({
    q: [groups * Lq, heads * D],
    k: [groups * Lk, kvHeads * D],
    v: [groups * Lk, kvHeads * D],
    bias: [heads, Lq + Lk - 1],
    residual: [groups * Lq, heads * D],
    y: [groups * Lq, heads * D],
  }),
  cpu: attentionCpu,
  tolerance: { f32: { abs: 3e-6, rel: 1e-5 }, f16: { abs: 3e-3, rel: 4e-3 } },
  cases: [
    {
      dims: attentionDims(2, 4, 33, 5),
      absent: ['bias', 'residual'],
      why: 'narrowest heads, fewer keys than a tile',
    },
    {
      dims: { ...attentionDims(3, 24, 37, 70), lastKeyBias: 2.5 },
      absent: ['bias', 'residual'],
      why: 'cross attention, odd lengths, a bias on the last key',
    },
    {
      dims: { ...attentionDims(2, 32, 67, 67), scale: 1 },
      why: 'a table of relative positions, no scale, a sum',
    },
    {
      dims: attentionDims(1, 80, 66, 130),
      absent: ['bias', 'residual'],
      fill: (name: string, i: number) =>
        (name === 'v' ? 1 : 6) * Math.sin(i * (name === 'q' ? 0.37 : 0.73)),
      why: 'heads of 80, peaked scores',
    },
    {
      dims: { ...attentionDims(4, 128, 34, 40), kvHeads: 2 },
      absent: ['bias', 'residual'],
      why: 'heads of 128 that share keys',
    },
    {
      dims: { ...attentionDims(2, 8, 35, 6), groups: 3 },
      absent: ['bias', 'residual'],
      why: 'three groups, each with keys of its own',
    },
    { dims: attentionDims(1, 1024, 5, 35), absent: ['bias', 'residual'], why: 'widest head' },
  ],
  bench: [
    {
      dims: attentionDims(12, 128, 4096, 4096),
      absent: ['bias', 'residual'],
      why: 'Wan 1.3B, self attention',
    },
    {
      dims: attentionDims(12, 128, 8192, 512),
      absent: ['bias', 'residual'],
      why: 'Wan 1.3B, text',
    },
    {
      dims: attentionDims(1, 384, 4096, 4096),
      absent: ['bias', 'residual'],
      why: 'autoencoder, middle block',
    },
    { dims: attentionDims(6, 64, 1792, 1792), absent: ['bias', 'residual'], why: 'motion model' },
    {
      dims: { ...attentionDims(5, 64, 2560, 2560), groups: 16 },
      absent: ['bias', 'residual'],
      why: '3-D UNet, 16 frames of 40 × 64',
    },
  ],
});

function attentionCpu(inputs: Arrays, dims: Dims): Arrays {
  const { Lq = 1, Lk = 1, heads = 1, kvHeads = 1, D = 4 } = dims;
  const { groups = 1, scale = 1, lastKeyBias = 0 } = dims;
  const {
    q = new Float32Array(),
    k = new Float32Array(),
    v = new Float32Array(),
    bias,
    residual,
  } = inputs;
  const y = new Float32Array(groups * Lq * heads * D);
  for (let row = 0; row < groups * Lq; row++) {
    const [group, i] = [Math.floor(row / Lq), row % Lq];
    for (let h = 0; h < heads; h++) {
      const at = (row * heads + h) * D;
      const other = (j: number): number =>
        ((group * Lk + j) * kvHeads + Math.floor((h * kvHeads) / heads)) * D;
      const scores = Float64Array.from({ length: Lk }, (_, j) => {
        let s = 0;
        for (let d = 0; d < D; d++) s += q[at + d]! * k[other(j) + d]!;
        s = s * scale + (bias ? bias[h * (Lq + Lk - 1) + j - i + Lq - 1]! : 0);
        return j === Lk - 1 ? s + lastKeyBias : s;
      });
      const most = scores.reduce((a, s) => Math.max(a, s), -Infinity);
      const weights = scores.map((s) => Math.exp(s - most));
      const total = weights.reduce((a, w) => a + w, 0);
      for (let d = 0; d < D; d++) {
        let sum = 0;
        for (let j = 0; j < Lk; j++) sum += weights[j]! * v[other(j) + d]!;
        y[at + d] = sum / total + (residual?.[at + d] ?? 0);
      }
    }
  }
  return { y };
}
