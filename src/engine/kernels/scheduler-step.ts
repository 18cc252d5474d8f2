/** scheduler-step: guidance and one step of any solver of flows, as linear combinations picked by the step counter. */
import wgsl from '../../shaders/scheduler-step.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, inout, input, optional } from './kernel.ts';

/** Column of the coefficient rows that holds the guidance scale. */
export const GUIDANCE_COLUMN = 14;

export const schedulerStep = defineKernel({
  name: 'scheduler-step',
  wgsl,
  tensors: {
    x: inout('f32'),
    m1: inout('f32'),
    m2: inout('f32'),
    xbar: inout('f32'),
    velocity: input(),
    unguided: optional(input()),
    coefficients: input('f32'),
    step: input('u32'),
  },
  uniforms: { groups: 'u32', N: 'u32' },
  tune: {},
  grid: ({ groups = 1 }) => [Math.ceil(groups / 64), 1, 1],
  cost: ({ groups = 1 }) => ({ flops: 100 * groups, bytes: 160 * groups }),
  shapes: ({ groups = 1, N = 1 }) => ({
    ...{ x: [groups, 4], m1: [groups, 4], m2: [groups, 4], xbar: [groups, 4] },
    ...{ velocity: [groups, 4], unguided: [groups, 4], coefficients: [N, 16], step: [1] },
  }),
  cpu: schedulerStepCpu,
  tolerance: { f32: { abs: 4e-6, rel: 2e-6 }, f16: { abs: 4e-6, rel: 2e-6 } },
  cases: [
    { dims: { groups: 70, N: 5 }, fill: atStep(3), why: 'with guidance, more than one workgroup' },
    { dims: { groups: 3, N: 2 }, fill: atStep(0), absent: ['unguided'], why: 'without guidance' },
    { dims: { groups: 3, N: 2 }, fill: atStep(2), why: 'a step past the end changes nothing' },
  ],
  bench: [
    {
      dims: { groups: 131040 * 4, N: 50 },
      fill: atStep(1),
      why: 'latent of 81 frames at 480 × 832',
    },
  ],
});

function atStep(step: number): (name: string, i: number) => number {
  return (name, i) =>
    name === 'step' ? step : Math.sin(12.9898 * (i + 1) + name.length + name.charCodeAt(0));
}

const EMPTY = new Float32Array();

function schedulerStepCpu(inputs: Arrays, { N = 1 }: Dims): Arrays {
  const {
    x = EMPTY,
    m1 = EMPTY,
    m2 = EMPTY,
    xbar = EMPTY,
    velocity = EMPTY,
    unguided,
    coefficients = EMPTY,
    step,
  } = inputs;
  const index = step?.[0] ?? NaN;
  if (index >= N) return { x, m1, m2, xbar };
  const k = coefficients.subarray(16 * index, 16 * index + 16);
  const w = velocity.map((value, i) =>
    unguided ? unguided[i]! + k[GUIDANCE_COLUMN]! * (value - unguided[i]!) : value,
  );
  const combine = (at: number): Float32Array =>
    x.map(
      (value, i) =>
        k[at]! * value +
        k[at + 1]! * w[i]! +
        k[at + 2]! * m1[i]! +
        k[at + 3]! * m2[i]! +
        k[at + 4]! * xbar[i]!,
    );
  return {
    x: combine(7),
    m1: x.map((value, i) => k[0]! * value + k[1]! * w[i]!),
    m2: m1,
    xbar: combine(2),
  };
}
