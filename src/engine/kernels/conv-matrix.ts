/** conv-matrix: conv by subgroup matrices, where the device has them. */
import wgsl from '../../shaders/conv-matrix.wgsl';
import { conv } from './conv.ts';
import { asActivations, defineKernel } from './kernel.ts';
import { BLOCK_NAMES, MATRIX_BLOCKS, matrixSuits, matrixValues } from './matrix-product.ts';
import type { MatrixBlock } from './matrix-product.ts';

/** Output channels below which most of a block would be padding. */
const FEWEST_CHANNELS = 32;

export const convMatrix = defineKernel({
  ...conv,
  name: 'conv-matrix',
  wgsl,
  features: ['subgroup-matrix'],
  // Bound like activations: see "Needs" in lib/matrix-product.wgsl.
  tensors: asActivations(conv.tensors),
  tune: { BLOCK: BLOCK_NAMES },
  choose: (dims, caps, arithmetic) => {
    const { To = 1, Ho = 1, Wo = 1, Cin = 1, Cout = 1, taps = 1 } = dims;
    const kGroups = taps * Math.ceil(Cin / 4);
    return matrixValues(To * Ho * Wo, Cout, kGroups, caps, arithmetic);
  },
  suits: (values, situation) =>
    (situation.dims['Cout'] ?? 1) >= FEWEST_CHANNELS && matrixSuits(values, situation),
  grid: ({ To = 1, Ho = 1, Wo = 1, Cout = 1 }, { BLOCK }) => {
    const [height, width] = MATRIX_BLOCKS[BLOCK as MatrixBlock];
    return [Math.ceil(Cout / width), Math.ceil((To * Ho * Wo) / height), 1];
  },
});
