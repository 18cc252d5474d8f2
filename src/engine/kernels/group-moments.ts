/** group-moments: first step of a group norm, moments of each channel over slabs of pixels. */
import wgsl from '../../shaders/group-moments.wgsl';
import { fitsSituation } from './declare-quads.ts';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const groupMoments = defineKernel({
  name: 'group-moments',
  wgsl,
  tensors: { x: input(), moments: output('f32') },
  uniforms: { N: 'u32', P: 'u32', C: 'u32', span: 'u32', slabs: 'u32' },
  tune: { LANES: [64, 256], ITEMS: [8, 4], QUADS: [1, 2] },
  suits: fitsSituation,
  choose: (_, caps) => (caps.software ? { ITEMS: 4 } : {}),
  grid: ({ N = 1, C = 1, slabs = 1 }, { LANES, QUADS }) => [
    Math.ceil((N * slabs * Math.ceil(C / 4)) / Number(QUADS) / Number(LANES)),
    1,
    1,
  ],
  cost: ({ N = 1, P = 1, C = 1 }) => ({ flops: 4 * N * P * C, bytes: 2 * N * P * C }),
  shapes: ({ N = 1, P = 1, C = 1, slabs = 1 }) => ({ x: [N, P, C], moments: [N, slabs, 2, C] }),
  cpu: groupMomentsCpu,
  tolerance: { f32: { abs: 1e-5, rel: 1e-5 }, f16: { abs: 1e-5, rel: 1e-5 } },
  cases: [
    {
      dims: { N: 2, P: 7, C: 6, span: 3, slabs: 3 },
      why: 'a last slab of one pixel, padded channels',
    },
    { dims: { N: 1, P: 5, C: 300, span: 8, slabs: 1 }, why: 'more channels than a workgroup' },
    { dims: { N: 1, P: 21, C: 16, span: 11, slabs: 2 }, why: 'whole runs of eight channels' },
    {
      dims: { N: 1, P: 64, C: 4, span: 64, slabs: 1 },
      fill: (_: string, i: number) => 1000 + Math.sin(i),
      tolerance: { abs: 0.25, rel: 1e-3 }, // f16 spacing near 1000 is 0.5, summed over 64 squares
      why: 'large mean',
    },
  ],
  bench: [{ dims: { N: 16, P: 4096, C: 320, span: 64, slabs: 64 }, why: 'U-Net, 320 channels' }],
});

function groupMomentsCpu({ x = new Float32Array() }: Arrays, dims: Dims): Arrays {
  const { N = 1, P = 1, C = 1, span = 1, slabs = 1 } = dims;
  const moments = new Float32Array(N * slabs * 2 * C);
  for (let n = 0; n < N; n++) {
    for (let slab = 0; slab < slabs; slab++) {
      const [first, end] = [slab * span, Math.min(P, (slab + 1) * span)];
      for (let c = 0; c < C; c++) {
        let sum = 0;
        for (let i = first; i < end; i++) sum += x[(n * P + i) * C + c]!;
        const mean = sum / (end - first);
        let squares = 0;
        for (let i = first; i < end; i++) squares += (x[(n * P + i) * C + c]! - mean) ** 2;
        const at = (n * slabs + slab) * 2 * C + c;
        moments[at] = mean;
        moments[at + C] = squares;
      }
    }
  }
  return { moments };
}
