/** matmul-matrix: matmul by subgroup matrices, where the device has them. */
import wgsl from '../../shaders/matmul-matrix.wgsl';
import { asActivations, defineKernel } from './kernel.ts';
import { matmul } from './matmul.ts';
import { BLOCK_NAMES, MATRIX_BLOCKS, matrixSuits, matrixValues } from './matrix-product.ts';
import type { MatrixBlock } from './matrix-product.ts';

/** Rows below which most of a block would be padding. */
const FEWEST_ROWS = 16;

export const matmulMatrix = defineKernel({
  ...matmul,
  name: 'matmul-matrix',
  wgsl,
  features: ['subgroup-matrix'],
  // Bound like activations: see "Needs" in lib/matrix-product.wgsl.
  tensors: asActivations(matmul.tensors),
  tune: { BLOCK: BLOCK_NAMES },
  choose: ({ M = 1, N = 1, K = 1 }, caps, arithmetic) =>
    matrixValues(M, N, Math.ceil(K / 4), caps, arithmetic),
  suits: (values, situation) =>
    (situation.dims['M'] ?? 1) >= FEWEST_ROWS && matrixSuits(values, situation),
  grid: ({ M = 1, N = 1 }, { BLOCK }) => {
    const [height, width] = MATRIX_BLOCKS[BLOCK as MatrixBlock];
    return [Math.ceil(N / width), Math.ceil(M / height), 1];
  },
});
