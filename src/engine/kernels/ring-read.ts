/** ring-read: the filled part of a ring and the rows that stay, as one sequence of keys or values. */
import wgsl from '../../shaders/ring-read.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';

export const ringRead = defineKernel({
  name: 'ring-read',
  wgsl,
  tensors: {
    ring: input(),
    stay: input(),
    table: optional(weight('f32')),
    step: weight('u32'),
    y: output(),
  },
  uniforms: {
    ...{ filled: 'u32', ringRows: 'u32', stayRows: 'u32', steps: 'u32', heads: 'u32', D: 'u32' },
  },
  tune: {},
  grid: ({ filled = 1, stayRows = 1, heads = 1, D = 4 }) => [
    Math.ceil(((filled + stayRows) * heads * D) / 256),
    1,
    1,
  ],
  cost: ({ filled = 1, stayRows = 1, heads = 1, D = 4 }) => ({
    flops: 3 * stayRows * heads * D,
    bytes: 4 * (filled + stayRows) * heads * D,
  }),
  shapes: ({ filled = 1, ringRows = 1, stayRows = 1, steps = 1, heads = 1, D = 4 }) => ({
    ring: [steps * ringRows, heads * D],
    stay: [stayRows, heads * D],
    table: [stayRows, D],
    step: [1],
    y: [filled + stayRows, heads * D],
  }),
  cpu: ringReadCpu,
  tolerance: { f32: { abs: 2e-6, rel: 2e-6 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    {
      dims: { filled: 5, ringRows: 9, stayRows: 4, steps: 3, heads: 3, D: 12 },
      fill: atStep(1),
      why: 'partly filled, turned',
    },
    {
      dims: { filled: 8, ringRows: 8, stayRows: 3, steps: 2, heads: 2, D: 20 },
      absent: ['table'],
      fill: atStep(7),
      why: 'full, values, a step past the end',
    },
  ],
  bench: [
    {
      dims: { filled: 4608, ringRows: 4608, stayRows: 960, steps: 4, heads: 40, D: 128 },
      fill: atStep(2),
      why: 'Live Avatar 384 × 256, all keys',
    },
  ],
});

function atStep(step: number): (name: string, i: number) => number {
  return (name, i) => (name === 'step' ? step : Math.sin(i * 0.7 + name.length));
}

function ringReadCpu({ ring, stay, table, step }: Arrays, dims: Dims): Arrays {
  const { filled = 1, ringRows = 1, steps = 1, heads = 1, D = 4 } = dims;
  const C = heads * D;
  const first = Math.min(step![0]!, steps - 1) * ringRows * C;
  const past = ring!.subarray(first, first + filled * C);
  return { y: Float32Array.from([...past, ...turnedRows(stay!, table, C, D)]) };
}

/** Rows [n, C], their pairs turned by the angles of a table [n, D]. */
export function turnedRows(
  stay: Float32Array,
  table: Float32Array | undefined,
  C: number,
  D: number,
): Float32Array {
  const y = new Float32Array(stay.length);
  for (let i = 0; i < stay.length; i += 2) {
    const at = Math.floor(i / C) * D + (i % D);
    const [cos, sin] = table ? [table[at]!, table[at + 1]!] : [1, 0];
    const [a, b] = [stay[i]!, stay[i + 1]!];
    y[i] = a * cos - b * sin;
    y[i + 1] = a * sin + b * cos;
  }
  return y;
}
