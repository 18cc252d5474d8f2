/** guide: classifier-free guidance, with one condition or with the picture's pull apart from the prompt's. */
import wgsl from '../../shaders/guide.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output } from './kernel.ts';

export const guide = defineKernel({
  name: 'guide',
  wgsl,
  tensors: {
    c: input(),
    u: input(),
    image: optional(input()),
    coefficients: input('f32'),
    step: input('u32'),
    y: output('f32'),
  },
  uniforms: { groups: 'u32', N: 'u32' },
  tune: {},
  grid: ({ groups = 1 }) => [Math.ceil(groups / 64), 1, 1],
  cost: ({ groups = 1 }) => ({ flops: 20 * groups, bytes: 64 * groups }),
  shapes: ({ groups = 1, N = 1 }) => ({
    ...{ c: [groups, 4], u: [groups, 4], image: [groups, 4], y: [groups, 4] },
    ...{ coefficients: [N, 12], step: [1] },
  }),
  cpu: guideCpu,
  tolerance: { f32: { abs: 4e-6, rel: 2e-6 }, f16: { abs: 4e-6, rel: 2e-6 } },
  cases: [
    { dims: { groups: 70, N: 3 }, fill: atStep(1), why: 'picture and prompt apart' },
    { dims: { groups: 3, N: 2 }, fill: atStep(0), absent: ['image'], why: 'one condition' },
    { dims: { groups: 3, N: 2 }, fill: atStep(5), absent: ['image'], why: 'a step past the end' },
  ],
  bench: [
    { dims: { groups: 16 * 40 * 64, N: 50 }, fill: atStep(1), why: 'latent of 16 frames at 512' },
  ],
});

function atStep(step: number): (name: string, i: number) => number {
  return (name, i) => (name === 'step' ? step : Math.sin(12.9898 * (i + 1) + name.charCodeAt(0)));
}

function guideCpu(inputs: Arrays, { N = 1 }: Dims): Arrays {
  const { c, u, image: i, coefficients, step } = inputs;
  const row = 12 * Math.min(step![0]!, N - 1);
  const [scale, imageScale] = [coefficients![row + 8]!, coefficients![row + 9]!];
  const y = c!.map((value, at) => {
    if (!i) return u![at]! + scale * (value - u![at]!);
    return u![at]! + imageScale * (i[at]! - u![at]!) + scale * (value - i[at]!);
  });
  return { y };
}
