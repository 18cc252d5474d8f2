/** frame-attention: each pixel attends to itself in all frames, as in the temporal layers of 3-D UNets. */
import wgsl from '../../shaders/frame-attention.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

/** Widest head whose row an invocation holds. */
export const WIDEST_FRAME_HEAD = 128;

export const frameAttention = defineKernel({
  name: 'frame-attention',
  wgsl,
  tensors: { q: input(), k: input(), v: input(), y: output() },
  uniforms: { F: 'u32', N: 'u32', heads: 'u32', scale: 'f32' },
  tune: {},
  choose: ({ D = 4 }) => ({ D4: D / 4 }),
  grid: ({ F = 1, N = 1, heads = 1 }) => [Math.ceil((F * N * heads) / 64), 1, 1],
  cost: ({ F = 1, N = 1, heads = 1, D = 4 }) => ({
    flops: 4 * F * F * N * heads * D,
    bytes: 16 * F * N * heads * D,
  }),
  shapes: ({ F = 1, N = 1, heads = 1, D = 4 }) => ({
    q: [F, N, heads * D],
    k: [F, N, heads * D],
    v: [F, N, heads * D],
    y: [F, N, heads * D],
  }),
  cpu: frameAttentionCpu,
  tolerance: { f32: { abs: 3e-6, rel: 1e-5 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    {
      dims: { F: 5, N: 7, heads: 3, D: 12, scale: 1 / Math.sqrt(12) },
      why: 'odd counts, more than one workgroup',
    },
    {
      dims: { F: 16, N: 2, heads: 2, D: 64, scale: 1 },
      fill: (name: string, i: number) =>
        (name === 'v' ? 1 : 3) * Math.sin(i * (name === 'q' ? 0.37 : 0.73)),
      why: 'sixteen frames, peaked scores',
    },
    { dims: { F: 1, N: 3, heads: 1, D: 4, scale: 2 }, why: 'one frame' },
  ],
  bench: [
    {
      dims: { F: 16, N: 2560, heads: 5, D: 64, scale: 0.125 },
      why: '3-D UNet, 16 frames of 40 × 64',
    },
  ],
});

function frameAttentionCpu({ q, k, v }: Arrays, dims: Dims): Arrays {
  const { F = 1, N = 1, heads = 1, D = 4, scale = 1 } = dims;
  const span = N * heads * D;
  const y = new Float32Array(F * span);
  for (let i = 0; i < F * N * heads; i++) {
    const first = (i % (N * heads)) * D;
    const scores = Array.from({ length: F }, (_, f) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += q![i * D + d]! * k![f * span + first + d]!;
      return sum * scale;
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let d = 0; d < D; d++) {
      const sum = weights.reduce((a, w, f) => a + w * v![f * span + first + d]!, 0);
      y[i * D + d] = sum / total;
    }
  }
  return { y };
}
