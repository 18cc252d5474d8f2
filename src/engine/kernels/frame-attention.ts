/** frame-attention: each pixel attends to itself in all frames, as in the temporal layers of 3-D UNets. */
import wgsl from '../../shaders/frame-attention.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

/** Widest head whose row an invocation holds. */
export const WIDEST_FRAME_HEAD = 128;

/** Frames stand behind one another, each with all its places. */
const slowest = (F: number, N: number): Dims => ({ F, N, frameStep: N, placeStep: 1 });
/** Places stand behind one another, each with all its frames. */
const fastest = (F: number, N: number): Dims => ({ F, N, frameStep: 1, placeStep: F });

export const frameAttention = defineKernel({
  name: 'frame-attention',
  wgsl,
  tensors: { q: input(), k: input(), v: input(), y: output() },
  uniforms: {
    ...{ F: 'u32', N: 'u32', heads: 'u32', frameStep: 'u32', placeStep: 'u32', scale: 'f32' },
  },
  tuneBy: ['F', 'N', 'heads', 'D'],
  tune: {},
  choose: ({ D = 4 }) => ({ D4: D / 4 }),
  grid: ({ F = 1, N = 1, heads = 1 }) => [Math.ceil((F * N * heads) / 64), 1, 1],
  cost: ({ F = 1, N = 1, heads = 1, D = 4 }) => ({
    flops: 4 * F * F * N * heads * D,
    bytes: 8 * F * N * heads * D,
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
      dims: { ...slowest(5, 7), heads: 3, D: 12, scale: 1 / Math.sqrt(12) },
      why: 'odd counts, more than one workgroup',
    },
    {
      dims: { ...slowest(16, 2), heads: 2, D: 64, scale: 1 },
      fill: (name: string, i: number) =>
        (name === 'v' ? 1 : 3) * Math.sin(i * (name === 'q' ? 0.37 : 0.73)),
      why: 'sixteen frames, peaked scores',
    },
    { dims: { ...slowest(1, 3), heads: 1, D: 4, scale: 2 }, why: 'one frame' },
    {
      dims: { ...fastest(6, 5), heads: 3, D: 8, scale: 0.4 },
      why: 'frames of a place behind one another',
    },
  ],
  bench: [
    {
      dims: { ...slowest(16, 2560), heads: 5, D: 64, scale: 0.125 },
      why: '3-D UNet, 16 frames of 40 × 64',
    },
    {
      dims: { ...fastest(16, 9216), heads: 8, D: 64, scale: 0.125 },
      why: '16 frames, 9216 places of 8 heads, frames fastest',
    },
  ],
});

function frameAttentionCpu({ q, k, v }: Arrays, dims: Dims): Arrays {
  const { F = 1, N = 1, heads = 1, D = 4, frameStep = 1, placeStep = 1, scale = 1 } = dims;
  const y = new Float32Array(F * N * heads * D);
  const at = (frame: number, place: number, head: number): number =>
    ((frame * frameStep + place * placeStep) * heads + head) * D;
  for (let i = 0; i < F * N * heads; i++) {
    const [head, place, frame] = [i % heads, Math.floor(i / heads) % N, Math.floor(i / heads / N)];
    const own = at(frame, place, head);
    const scores = Array.from({ length: F }, (_, f) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += q![own + d]! * k![at(f, place, head) + d]!;
      return sum * scale;
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let d = 0; d < D; d++) {
      const sum = weights.reduce((a, w, f) => a + w * v![at(f, place, head) + d]!, 0);
      y[own + d] = sum / total;
    }
  }
  return { y };
}
