/** matmul-direct: matmul without workgroup memory, for adapters that run on the processor. */
import wgsl from '../../shaders/matmul-direct.wgsl';
import { defineKernel } from './kernel.ts';
import { matmul } from './matmul.ts';

export const matmulDirect = defineKernel({
  ...matmul,
  name: 'matmul-direct',
  wgsl,
  tune: {},
  choose: () => ({}),
  suits: (_, { caps }) => caps.software,
  grid: ({ M = 1, N = 1 }) => [Math.ceil(N / 128), Math.ceil(M / 8), 1],
});
