/** quantise-rows: values as 8-bit integers with one scale a row: weights by output channel, activations by token. */
import wgsl from '../../shaders/quantise-rows.wgsl';
import { defineKernel, input, output } from './kernel.ts';
import { quantiseCases, quantiseCpu, quantiseShapes } from './quantise-cases.ts';

export const quantiseRows = defineKernel({
  name: 'quantise-rows',
  wgsl,
  tensors: { x: input(), q: output('i8'), scale: output('f16') },
  uniforms: { M: 'u32', K: 'u32' },
  tune: {},
  grid: ({ M = 1 }) => [M, 1, 1],
  cost: ({ M = 1, K = 1 }) => ({ flops: 4 * M * K, bytes: 3 * M * K }),
  shapes: (dims) => quantiseShapes(dims, 'i8'),
  cpu: (inputs, dims) => quantiseCpu(inputs, dims, 'i8'),
  tolerance: { f32: { abs: 1e-6, rel: 0 }, f16: { abs: 1e-6, rel: 0 } },
  cases: quantiseCases('i8'),
  bench: [{ dims: { M: 4096, K: 4096 }, why: '4096²' }],
});
