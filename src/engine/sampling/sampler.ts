/**
 * The family of samplers behind one function: a schedule compiled into rows of coefficients, which one kernel
 * runs over the whole trajectory. `runOnCpu` does the same on arrays and is that kernel's reference.
 */
import { dpmppSteps } from './dpmpp.ts';
import { flowEulerSteps } from './flow-euler.ts';
import { renoiseSteps } from './renoise.ts';
import { scheduleFor } from './schedule.ts';
import type { SamplerKind, SamplerVariant, Schedule, ScheduleOptions } from './schedule.ts';
import type { SamplerStep, Terms } from './terms.ts';
import { unipcSteps } from './unipc.ts';

export type { SamplerKind, SamplerVariant, Schedule, ScheduleOptions } from './schedule.ts';
export type { SamplerStep, Terms } from './terms.ts';

export type Sampler = Schedule & {
  readonly steps: readonly SamplerStep[];
  /** Whether every step but the last needs noise of its own in `xbar`. */
  readonly renoises?: boolean;
};

const compilers: Record<SamplerKind, (schedule: Schedule) => SamplerStep[]> = {
  unipc: unipcSteps,
  flow_euler: flowEulerSteps,
  dpmpp: dpmppSteps,
  renoise: renoiseSteps,
};

/** Returns a sampler as a table of coefficients. Throws `sampling/steps` or `sampling/shift` for bad options. */
export function samplerFor(
  kind: SamplerKind,
  variant: SamplerVariant,
  options: ScheduleOptions,
): Sampler {
  const schedule = scheduleFor(kind, variant, options);
  return { ...schedule, steps: compilers[kind](schedule), renoises: kind === 'renoise' };
}

/** Values a step takes in the table that `packSteps` returns. */
export const FLOATS_PER_STEP = 16;

const row = ({ x, v, m1, m2, xbar }: Terms): number[] => [x, v, m1, m2, xbar];

/**
 * Returns the steps as f32 rows for the device, 16 values each:
 * m.x, m.v, xbar.{x, v, m1, m2, xbar}, next.{x, v, m1, m2, xbar}, σ, timestep, 0, 0.
 */
export function packSteps(steps: readonly SamplerStep[]): Float32Array<ArrayBuffer> {
  const table = new Float32Array(steps.length * FLOATS_PER_STEP);
  steps.forEach(({ m, xbar, next, sigma, timestep }, i) => {
    table.set([m.x, m.v, ...row(xbar), ...row(next), sigma, timestep], i * FLOATS_PER_STEP);
  });
  return table;
}

/** Returns the model's velocity for sample `x` at step `index`, as many values as `x` has. */
export type VelocityAt = (x: Float32Array, step: SamplerStep, index: number) => ArrayLike<number>;

/**
 * Returns the sample after each step, from `x0` on. Sums run in f64 and are rounded to f32 at every store, or
 * after every operation with `arithmetic: 'f32'`, which is what a device without fused multiply-add does. `noiseAt` gives the
 * noise of a step, for samplers that renoise.
 */
export function runOnCpu(
  steps: readonly SamplerStep[],
  x0: ArrayLike<number>,
  velocityAt: VelocityAt,
  arithmetic: 'f64' | 'f32' = 'f64',
  noiseAt?: (index: number) => Float32Array,
): Float32Array[] {
  const round = arithmetic === 'f32' ? Math.fround : (value: number): number => value;
  const samples: Float32Array[] = [];
  let x: Float32Array = Float32Array.from(x0);
  let m1: Float32Array = new Float32Array(x.length);
  let m2: Float32Array = m1;
  let xbar: Float32Array = m1;
  steps.forEach((step, index) => {
    const v = Float32Array.from(velocityAt(x, step, index));
    const inputs = [x, v, m1, m2, noiseAt?.(index) ?? xbar];
    const combine = (t: Terms): Float32Array => {
      const factors = row(t).map(round);
      return x.map((_, i) =>
        inputs.reduce(
          (total, input, k) => round(total + round((factors[k] ?? 0) * (input[i] ?? 0))),
          0,
        ),
      );
    };
    const [m, corrected, next] = [combine(step.m), combine(step.xbar), combine(step.next)];
    [x, m2, m1, xbar] = [next, m1, m, corrected];
    samples.push(x);
  });
  return samples;
}
