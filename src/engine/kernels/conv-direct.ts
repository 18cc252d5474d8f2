/** conv-direct: convolution without workgroup memory, for adapters that run on the processor. */
import wgsl from '../../shaders/conv-direct.wgsl';
import { conv } from './conv.ts';
import { defineKernel } from './kernel.ts';

export const convDirect = defineKernel({
  ...conv,
  name: 'conv-direct',
  wgsl,
  tune: {},
  choose: () => ({}),
  suits: (_, { caps }) => caps.software,
  grid: ({ To = 1, Ho = 1, Wo = 1, Cout = 1 }) => [
    Math.ceil(Cout / 8),
    Math.ceil((To * Ho * Wo) / 64),
    1,
  ],
});
