/** conv-tiled: conv with large tiles in registers, for images and channels that fill them. */
import wgsl from '../../shaders/conv-tiled.wgsl';
import { conv, convDims } from './conv.ts';
import { asActivations, defineKernel } from './kernel.ts';
import type { Dims } from './kernel.ts';
import { registerGrid, registerSuits, registerValues } from './register-product.ts';

const pixels = ({ To = 1, Ho = 1, Wo = 1 }: Dims): number => To * Ho * Wo;

const causal = convDims({
  x: [3, 5, 6, 6],
  Cout: 47,
  kernel: [3, 3, 3],
  stride: [1, 1, 1],
  before: [2, 1, 1],
  after: [0, 1, 1],
  upsample: false,
});

export const convTiled = defineKernel({
  ...conv,
  name: 'conv-tiled',
  wgsl,
  // Bound like activations: see "Needs" in lib/matrix-product.wgsl.
  tensors: asActivations(conv.tensors),
  tune: { SIDE: [8, 4] },
  choose: (dims) => registerValues(pixels(dims), dims['Cout'] ?? 1),
  suits: (values, { caps, dims }) => registerSuits(values, caps, pixels(dims), dims['Cout'] ?? 1),
  grid: (dims, values) => registerGrid(values, pixels(dims), dims['Cout'] ?? 1),
  // Compiling is what takes time on processors: one case with everything that a convolution can have, and one in place.
  cases: [
    {
      dims: causal,
      values: { ACTIVATION: 'silu' },
      why: 'causal 3 x 3 x 3, frames before from the history, edge tiles on both sides',
    },
    {
      dims: causal,
      values: { ACTIVATION: 'none' },
      absent: ['hist'],
      stored: { residual: 'f32', y: 'f32' },
      over: 'residual',
      why: 'over the residual, edge tiles on both sides',
    },
  ],
});
