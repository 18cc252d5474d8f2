/** matmul-tiled: matmul with large tiles in registers, for products that fill them. */
import wgsl from '../../shaders/matmul-tiled.wgsl';
import type { Case } from './kernel.ts';
import { asActivations, defineKernel } from './kernel.ts';
import { matmul } from './matmul.ts';
import { registerGrid, registerSuits, registerValues } from './register-product.ts';

const every: readonly Case[] = matmul.cases;
/** Compiling is what takes time on processors: the cases that fill a tile, and one of small integers. */
const cases = every
  .filter(({ stored }) => [undefined, 'i4'].includes(stored?.['w']))
  .map((test) => (test.stored?.['w'] ? { ...test, dims: { ...test.dims, M: 40 } } : test))
  .filter(({ dims: { M = 1, N = 1 } }) => M * N >= 600);

export const matmulTiled = defineKernel({
  ...matmul,
  name: 'matmul-tiled',
  wgsl,
  // Bound like activations: see "Needs" in lib/matrix-product.wgsl.
  tensors: asActivations(matmul.tensors),
  tune: { SIDE: [8, 4] },
  choose: ({ M = 1, N = 1 }) => registerValues(M, N),
  suits: (values, { caps, dims: { M = 1, N = 1 } }) => registerSuits(values, caps, M, N),
  grid: ({ M = 1, N = 1 }, values) => registerGrid(values, M, N),
  cases,
});
