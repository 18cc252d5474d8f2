/** ring-write-int8: keys or values of the newest block into a ring, as 8-bit integers with a scale for each head. */
import wgsl from '../../shaders/ring-write-int8.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, inout, input, weight } from './kernel.ts';

export const ringWriteInt8 = defineKernel({
  name: 'ring-write-int8',
  wgsl,
  tensors: {
    x: input(),
    ring: inout('i8'),
    scale: inout('f32'),
    step: weight('u32'),
    slot: weight('u32'),
  },
  uniforms: { rows: 'u32', heads: 'u32', D: 'u32', slots: 'u32', steps: 'u32' },
  tune: {},
  grid: ({ rows = 1, heads = 1 }) => [Math.ceil((rows * Math.ceil(heads / 4)) / 64), 1, 1],
  cost: ({ rows = 1, heads = 1, D = 16 }) => ({
    flops: 4 * rows * heads * D,
    bytes: 3 * rows * heads * D,
  }),
  shapes: ({ rows = 1, heads = 1, D = 16, slots = 1, steps = 1 }) => ({
    x: [rows, heads * D],
    ring: [steps * slots * rows, heads * D],
    scale: [steps * slots * rows, heads],
    step: [1],
    slot: [1],
  }),
  cpu: ringWriteInt8Cpu,
  tolerance: { f32: { abs: 1e-6, rel: 1e-6 }, f16: { abs: 1e-6, rel: 1e-6 } },
  cases: [
    {
      dims: { rows: 5, heads: 3, D: 32, slots: 3, steps: 2 },
      fill: placed(1, 2),
      why: 'heads that fill no vector, last step, last slot',
    },
    {
      dims: { rows: 20, heads: 8, D: 16, slots: 2, steps: 3 },
      fill: placed(1, 0),
      why: 'in the middle',
    },
    {
      dims: { rows: 2, heads: 5, D: 128, slots: 2, steps: 1 },
      fill: placed(4, 5),
      why: 'past the end',
    },
  ],
  bench: [
    {
      dims: { rows: 1152, heads: 40, D: 128, slots: 4, steps: 4 },
      fill: placed(2, 1),
      why: 'Live Avatar 384 × 256, keys of a block',
    },
  ],
});

/** Fills the counters with numbers, x with values whose quotients stay clear of halves, one head of them with zeros. */
function placed(step: number, slot: number): (name: string, i: number) => number {
  return (name, i) => {
    if (name === 'step') return step;
    if (name === 'slot') return slot;
    if (name !== 'x') return (i % 201) - 100;
    return i < 16 ? 0 : i % 16 === 0 ? 127 / 64 : ((i % 93) - 46) / 64;
  };
}

function ringWriteInt8Cpu({ x, ring, scale, step, slot }: Arrays, dims: Dims): Arrays {
  const { rows = 1, heads = 1, D = 16, slots = 1, steps = 1 } = dims;
  const place = Math.min(step![0]!, steps - 1) * slots + Math.min(slot![0]!, slots - 1);
  const [integers, scales] = [ring!.slice(), scale!.slice()];
  for (let i = 0; i < rows * heads; i++) {
    const values = x!.subarray(i * D, (i + 1) * D);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const at = place * rows * heads + i;
    scales[at] = largest / 127;
    for (let d = 0; d < D; d++) {
      integers[at * D + d] = largest === 0 ? 0 : Math.round((values[d]! * 127) / largest);
    }
  }
  return { ring: integers, scale: scales };
}
