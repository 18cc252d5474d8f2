/** group-merge: second step of a group norm, mean and scale of each group from moments of its channels. */
import wgsl from '../../shaders/group-merge.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const groupMerge = defineKernel({
  name: 'group-merge',
  wgsl,
  tensors: { moments: input('f32'), stats: output('f32') },
  uniforms: { P: 'u32', C: 'u32', G: 'u32', span: 'u32', slabs: 'u32', eps: 'f32' },
  tune: { LANES: [128, 64] },
  suits: ({ LANES }, { caps }) => !caps.software || LANES === 64,
  choose: (_, { software }) => (software ? { LANES: 64 } : {}),
  derive: (_, { C = 1, G = 1 }) => ({ SIZE: C / G }),
  grid: ({ N = 1, G = 1 }) => [G, N, 1],
  cost: ({ N = 1, C = 1, slabs = 1 }) => ({ flops: 8 * N * slabs * C, bytes: 4 * N * slabs * C }),
  shapes: ({ N = 1, C = 1, G = 1, slabs = 1 }) => ({
    moments: [N, slabs, 2, C],
    stats: [N, G, 2],
  }),
  cpu: groupMergeCpu,
  tolerance: { f32: { abs: 2e-5, rel: 2e-5 }, f16: { abs: 2e-5, rel: 2e-5 } },
  cases: [
    {
      dims: { N: 2, P: 7, C: 30, G: 3, span: 3, slabs: 3, eps: 1e-5 },
      fill: positiveSquares(30),
      why: 'groups of ten channels, a last slab of one pixel',
    },
    {
      dims: { N: 1, P: 90, C: 32, G: 32, span: 1, slabs: 90, eps: 1e-6 },
      fill: positiveSquares(32),
      why: 'one channel a group, more slabs than lanes',
    },
  ],
  bench: [
    {
      dims: { N: 16, P: 4096, C: 320, G: 32, span: 64, slabs: 64, eps: 1e-5 },
      why: 'U-Net, 320 channels',
    },
  ],
});

/** Means between -1 and 1; sums of squares, in every second row of C values, above zero. */
function positiveSquares(C: number): (name: string, i: number) => number {
  return (_, i) => (Math.floor(i / C) % 2 === 0 ? Math.sin(i) : 1.5 + Math.cos(i));
}

function groupMergeCpu({ moments = new Float32Array() }: Arrays, dims: Dims): Arrays {
  const { N = 1, P = 1, C = 1, G = 1, span = 1, slabs = 1, eps = 0 } = dims;
  const size = C / G;
  const stats = new Float32Array(N * G * 2);
  for (let n = 0; n < N; n++) {
    for (let g = 0; g < G; g++) {
      const parts = Array.from({ length: slabs * size }, (_, i) => {
        const slab = Math.floor(i / size);
        const at = (n * slabs + slab) * 2 * C + g * size + (i % size);
        const count = Math.min(P, (slab + 1) * span) - slab * span;
        return { count, mean: moments[at]!, squares: moments[at + C]! };
      });
      const mean = parts.reduce((a, part) => a + part.count * part.mean, 0) / (P * size);
      const squares = parts.reduce((a, p) => a + p.squares + p.count * (p.mean - mean) ** 2, 0);
      stats[(n * G + g) * 2] = mean;
      stats[(n * G + g) * 2 + 1] = 1 / Math.sqrt(squares / (P * size) + eps);
    }
  }
  return { stats };
}
