/** ring-write: keys or values of the newest block into a ring, at a slot that the device knows. */
import wgsl from '../../shaders/ring-write.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, inout, input, weight } from './kernel.ts';

export const ringWrite = defineKernel({
  name: 'ring-write',
  wgsl,
  tensors: { x: input(), ring: inout(), step: weight('u32'), slot: weight('u32') },
  uniforms: { rows: 'u32', C: 'u32', slots: 'u32', steps: 'u32' },
  tune: {},
  grid: ({ rows = 1, C = 1 }) => [Math.ceil((rows * Math.ceil(C / 4)) / 64), 1, 1],
  cost: ({ rows = 1, C = 1 }) => ({ flops: 0, bytes: 4 * rows * C }),
  shapes: ({ rows = 1, C = 1, slots = 1, steps = 1 }) => ({
    x: [rows, C],
    ring: [steps * slots * rows, C],
    step: [1],
    slot: [1],
  }),
  cpu: ringWriteCpu,
  tolerance: { f32: { abs: 1e-30, rel: 0 }, f16: { abs: 1e-30, rel: 0 } }, // a copy
  cases: [
    {
      dims: { rows: 5, C: 20, slots: 3, steps: 2 },
      fill: placed(1, 2),
      why: 'last step, last slot',
    },
    { dims: { rows: 7, C: 6, slots: 2, steps: 3 }, fill: placed(1, 0), why: 'in the middle' },
    { dims: { rows: 30, C: 16, slots: 2, steps: 1 }, fill: placed(4, 5), why: 'past the end' },
  ],
  bench: [
    {
      dims: { rows: 1152, C: 5120, slots: 4, steps: 4 },
      fill: placed(2, 1),
      why: 'Live Avatar 384 × 256, keys of a block',
    },
  ],
});

/** Fills the two counters with numbers, the rest with values that f16 holds. */
function placed(step: number, slot: number): (name: string, i: number) => number {
  return (name, i) =>
    name === 'step' ? step : name === 'slot' ? slot : name === 'x' ? i : -(i % 999);
}

function ringWriteCpu({ x, ring, step, slot }: Arrays, dims: Dims): Arrays {
  const { rows = 1, C = 1, slots = 1, steps = 1 } = dims;
  const place = Math.min(step![0]!, steps - 1) * slots + Math.min(slot![0]!, slots - 1);
  const after = Float32Array.from(ring ?? []);
  after.set(x ?? [], place * rows * C);
  return { ring: after };
}
