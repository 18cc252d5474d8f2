/** ring-read-int8: the filled part of a ring of 8-bit integers and the rows that stay, as one sequence of keys or values. */
import wgsl from '../../shaders/ring-read-int8.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';
import { turnedRows } from './ring-read.ts';

export const ringReadInt8 = defineKernel({
  name: 'ring-read-int8',
  wgsl,
  tensors: {
    ring: input('i8'),
    scale: input('f32'),
    stay: input(),
    table: optional(weight('f32')),
    step: weight('u32'),
    y: output(),
  },
  uniforms: {
    ...{ filled: 'u32', ringRows: 'u32', stayRows: 'u32', steps: 'u32', heads: 'u32', D: 'u32' },
  },
  tune: {},
  grid: ({ filled = 1, stayRows = 1, heads = 1, D = 16 }) => [
    Math.ceil(((filled + stayRows) * heads * D) / 256),
    1,
    1,
  ],
  cost: ({ filled = 1, stayRows = 1, heads = 1, D = 16 }) => ({
    flops: (filled + 3 * stayRows) * heads * D,
    bytes: 3 * (filled + stayRows) * heads * D,
  }),
  shapes: ({ filled = 1, ringRows = 1, stayRows = 1, steps = 1, heads = 1, D = 16 }) => ({
    ring: [steps * ringRows, heads * D],
    scale: [steps * ringRows, heads],
    stay: [stayRows, heads * D],
    table: [stayRows, D],
    step: [1],
    y: [filled + stayRows, heads * D],
  }),
  cpu: ringReadInt8Cpu,
  tolerance: { f32: { abs: 2e-5, rel: 2e-6 }, f16: { abs: 6e-2, rel: 2e-3 } },
  cases: [
    {
      dims: { filled: 5, ringRows: 9, stayRows: 4, steps: 3, heads: 3, D: 32 },
      fill: atStep(1),
      why: 'partly filled, turned',
    },
    {
      dims: { filled: 8, ringRows: 8, stayRows: 3, steps: 2, heads: 5, D: 16 },
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
  return (name, i) => {
    if (name === 'step') return step;
    return name === 'ring' ? ((i * 37) % 255) - 127 : Math.sin(i * 0.7 + name.length);
  };
}

function ringReadInt8Cpu({ ring, scale, stay, table, step }: Arrays, dims: Dims): Arrays {
  const { filled = 1, ringRows = 1, steps = 1, heads = 1, D = 16 } = dims;
  const C = heads * D;
  const first = Math.min(step![0]!, steps - 1) * ringRows;
  const past = ring!
    .subarray(first * C, (first + filled) * C)
    .map((value, i) => value * scale![first * heads + Math.floor(i / D)]!);
  return { y: Float32Array.from([...past, ...turnedRows(stay!, table, C, D)]) };
}
