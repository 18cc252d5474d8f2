/** matmul-tiled: matmul with large tiles in registers, for products that fill them. */
import wgsl from '../../shaders/matmul-tiled.wgsl';
import type { Case } from './kernel.ts';
import { asActivations, defineKernel } from './kernel.ts';
import { matmul } from './matmul.ts';
import { registerGrid, registerSuits, registerValues } from './register-product.ts';

export const matmulTiled = defineKernel({
  ...matmul,
  name: 'matmul-tiled',
  wgsl,
  // Bound like activations: see "Needs" in lib/matrix-product.wgsl.
  tensors: asActivations(matmul.tensors),
  tune: { SIDE: [8, 4] },
  choose: ({ M = 1, N = 1 }) => registerValues(M, N),
  // In f16, unpacking four bits costs this kernel more than its tiles gain: 15 instead of 33 TFLOP/s.
  suits: (values, { caps, dims: { M = 1, N = 1 }, arithmetic, dtypes }) =>
    registerSuits(values, caps, M, N) &&
    !(arithmetic === 'f16' && (dtypes['w'] === 'i4' || dtypes['w'] === 'i4x64')),
  grid: ({ M = 1, N = 1 }, values) => registerGrid(values, M, N),
  // Compiling is what takes time on processors: the cases that fill a tile.
  cases: matmul.cases.filter(({ dims: { M = 1, N = 1 }, stored }: Case) => M * N >= 600 && !stored),
});
