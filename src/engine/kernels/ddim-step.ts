/** ddim-step: one step of DDIM in place, with guidance rescale, clipping and fresh noise where a sampler has them. */
import wgsl from '../../shaders/ddim-step.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, inout, input, optional } from './kernel.ts';

export const ddimStep = defineKernel({
  name: 'ddim-step',
  wgsl,
  tensors: {
    x: inout('f32'),
    x0: inout('f32'),
    v: input(),
    noise: optional(input('f32')),
    conditional: optional(input('f32')),
    guided: optional(input('f32')),
    coefficients: input('f32'),
    step: input('u32'),
  },
  uniforms: { groups: 'u32', N: 'u32' },
  tune: {},
  grid: ({ groups = 1 }) => [Math.ceil(groups / 64), 1, 1],
  cost: ({ groups = 1 }) => ({ flops: 50 * groups, bytes: 80 * groups }),
  shapes: ({ groups = 1, N = 1 }) => ({
    ...{ x: [groups, 4], x0: [groups, 4], v: [groups, 4], noise: [groups, 4] },
    ...{ conditional: [1, 1, 2], guided: [1, 1, 2], coefficients: [N, 12], step: [1] },
  }),
  cpu: ddimStepCpu,
  tolerance: { f32: { abs: 4e-6, rel: 2e-6 }, f16: { abs: 4e-6, rel: 2e-6 } },
  cases: [
    { dims: { groups: 70, N: 3 }, fill: atStep(1), why: 'noise, rescale and clipping' },
    {
      dims: { groups: 3, N: 2 },
      fill: atStep(0),
      absent: ['noise', 'conditional', 'guided'],
      why: 'neither noise nor rescale',
    },
    { dims: { groups: 3, N: 2 }, fill: atStep(2), why: 'a step past the end changes nothing' },
  ],
  bench: [
    { dims: { groups: 16 * 40 * 64, N: 50 }, fill: atStep(1), why: 'latent of 16 frames at 512' },
  ],
});

/** Spreads and the clip above zero, all else around it. */
function atStep(step: number): (name: string, i: number) => number {
  return (name, i) => {
    if (name === 'step') return step;
    const value = Math.sin(12.9898 * (i + 1) + name.charCodeAt(0));
    const positive = name === 'conditional' || name === 'guided';
    return positive || (name === 'coefficients' && i % 12 === 7) ? 0.8 + 0.3 * value : value;
  };
}

function ddimStepCpu(inputs: Arrays, { N = 1 }: Dims): Arrays {
  const { x, x0, v, noise, conditional, guided, coefficients, step } = inputs;
  const index = step![0]!;
  if (index >= N) return { x: x!, x0: x0! };
  const k = coefficients!.subarray(12 * index, 12 * index + 12);
  const factor = guided && conditional ? (k[10]! * guided[1]!) / conditional[1]! + 1 - k[10]! : 1;
  const w = v!.map((value) => value * factor);
  const data = x!.map((value, i) =>
    Math.min(k[7]!, Math.max(-k[7]!, k[0]! * value + k[1]! * w[i]!)),
  );
  const next = x!.map(
    (value, i) =>
      k[4]! * data[i]! + k[5]! * (k[2]! * value + k[3]! * w[i]!) + (noise ? k[6]! * noise[i]! : 0),
  );
  return { x: next, x0: data };
}
