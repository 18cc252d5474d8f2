/** group-norm: last step of a group norm, pixels normalised with the mean and scale of their group. */
import wgsl from '../../shaders/group-norm.wgsl';
import type { Activation } from './activation.ts';
import { activate } from './activation.ts';
import { fitsSituation } from './declare-quads.ts';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';

export const groupNorm = defineKernel({
  name: 'group-norm',
  wgsl,
  tensors: {
    x: input(),
    stats: input('f32'),
    weight: optional(weight('f32')),
    bias: optional(weight('f32')),
    y: output(),
  },
  uniforms: { N: 'u32', P: 'u32', C: 'u32', G: 'u32' },
  tune: { LANES: [256, 64], ITEMS: [8, 4, 1], QUADS: [1, 2] },
  suits: fitsSituation,
  choose: (_, caps) => (caps.software ? { LANES: 64, ITEMS: 1 } : {}),
  derive: (_, { C = 1, G = 1 }) => ({ SIZE: C / G }),
  grid: ({ N = 1, P = 1, C = 1 }, { LANES, ITEMS, QUADS }) => {
    const runs = Math.ceil(C / 4) / Number(QUADS);
    return [Math.ceil((N * Math.ceil(P / Number(ITEMS)) * runs) / Number(LANES)), 1, 1];
  },
  cost: ({ N = 1, P = 1, C = 1 }) => ({ flops: 8 * N * P * C, bytes: 4 * N * P * C }),
  shapes: ({ N = 1, P = 1, C = 1, G = 1 }) => ({
    x: [N, P, C],
    stats: [N, G, 2],
    weight: [C],
    bias: [C],
    y: [N, P, C],
  }),
  cpu: groupNormCpu,
  tolerance: { f32: { abs: 2e-6, rel: 2e-6 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    {
      dims: { N: 2, P: 5, C: 30, G: 3 },
      values: { ACTIVATION: 'silu' },
      why: 'groups of ten channels, activation',
    },
    {
      dims: { N: 1, P: 17, C: 8, G: 8 },
      values: { ACTIVATION: 'none' },
      absent: ['weight', 'bias'],
      why: 'one channel a group, no weights',
    },
    {
      dims: { N: 2, P: 9, C: 24, G: 4 },
      values: { ACTIVATION: 'none' },
      why: 'whole runs of eight channels, groups of six',
    },
  ],
  bench: [
    {
      dims: { N: 16, P: 4096, C: 320, G: 32 },
      values: { ACTIVATION: 'silu' },
      why: 'U-Net, 320 channels',
    },
  ],
});

function groupNormCpu(inputs: Arrays, dims: Dims, values: Values): Arrays {
  const { x = new Float32Array(), stats = new Float32Array(), weight: gamma, bias } = inputs;
  const { P = 1, C = 1, G = 1 } = dims;
  const y = x.map((v, i) => {
    const c = i % C;
    const at = (Math.floor(i / (P * C)) * G + Math.floor(c / (C / G))) * 2;
    const normed = (v - stats[at]!) * stats[at + 1]! * (gamma?.[c] ?? 1) + (bias?.[c] ?? 0);
    return activate(values['ACTIVATION'] as Activation, normed);
  });
  return { y };
}
