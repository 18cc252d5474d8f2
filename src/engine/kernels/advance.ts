/** advance: the step counter of a sampling loop, which lives on the device. */
import wgsl from '../../shaders/advance.wgsl';
import { defineKernel, inout } from './kernel.ts';

export const advance = defineKernel({
  name: 'advance',
  wgsl,
  tensors: { step: inout('u32') },
  uniforms: {},
  tune: {},
  grid: () => [1, 1, 1],
  cost: () => ({ flops: 1, bytes: 8 }),
  shapes: () => ({ step: [1] }),
  cpu: ({ step = new Float32Array() }) => ({ step: step.map((value) => value + 1) }),
  tolerance: { f32: { abs: 1e-30, rel: 0 }, f16: { abs: 1e-30, rel: 0 } }, // whole numbers: any difference is far above this
  cases: [{ dims: {}, fill: () => 41, why: 'one more' }],
  bench: [],
});
