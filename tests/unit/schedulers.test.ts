import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  FLOATS_PER_STEP,
  packSteps,
  runOnCpu,
  samplerFor,
} from '../../src/engine/sampling/sampler.ts';
import type { SamplerKind, SamplerVariant } from '../../src/engine/sampling/sampler.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { openSafetensors, readF32 } from '../../src/engine/weights/safetensors.ts';

// Trajectories of diffusers 0.40 and of the original Wan 2.2 solvers on stored random model outputs (f32, CPU):
// <solver>.<grid>.{x0, model_outputs, samples, sigmas, timesteps}.
const path = fileURLToPath(new URL('../fixtures/schedulers.safetensors', import.meta.url));
const golden = new Map<string, Float32Array>();

beforeAll(async () => {
  const source = await fileSource(path);
  const file = await openSafetensors(source);
  for (const name of file.tensors.keys()) golden.set(name, await readF32(file, name));
  await source.close();
});

const tensor = (name: string): Float32Array => {
  const values = golden.get(name);
  if (!values) throw new Error(`the fixture has no ${name}`);
  return values;
};

/** ‖got − want‖₂ / ‖want‖₂, NaN when anything is not finite. */
function relativeError(got: Float32Array, want: Float32Array): number {
  const square = (values: Float32Array) =>
    values.reduce((total, value) => total + value * value, 0);
  return Math.sqrt(square(got.map((value, i) => value - (want[i] ?? NaN))) / square(want));
}

const solvers: [string, SamplerKind, SamplerVariant][] = [
  ['unipc', 'unipc', 'diffusers'],
  ['unipc_original', 'unipc', 'original'],
  ['flow_euler', 'flow_euler', 'diffusers'],
  ['dpmpp_diffusers', 'dpmpp', 'diffusers'],
  ['dpmpp_original', 'dpmpp', 'original'],
];
const trajectories = [
  ...solvers.flatMap(([name, kind, variant]) =>
    [
      { steps: 10, shift: 3 },
      { steps: 4, shift: 8 },
    ].map((options) => ({
      tag: `${name}.steps${options.steps}_shift${options.shift}`,
      kind,
      variant,
      options,
    })),
  ),
  {
    tag: 'flow_euler.liveavatar',
    kind: 'flow_euler' as const,
    variant: 'original' as const,
    options: { steps: 4, shift: 3 },
  },
];

describe.each(trajectories)('$tag of the reference classes', ({ tag, kind, variant, options }) => {
  it('has the same noise levels and timesteps', () => {
    const { sigmas, timesteps } = samplerFor(kind, variant, options);
    const levels = tensor(`${tag}.sigmas`);
    const times = tensor(`${tag}.timesteps`);
    expect(sigmas).toHaveLength(levels.length);
    sigmas.forEach((sigma, i) => expect(Math.abs(sigma - (levels[i] ?? NaN))).toBeLessThan(1e-7));
    timesteps.forEach((time, i) =>
      expect(Math.abs(time - (times[i] ?? NaN))).toBeLessThanOrEqual(
        kind === 'flow_euler' ? 1e-4 : 0,
      ),
    );
  });

  it.each(['f64', 'f32'] as const)('takes the same trajectory in %s arithmetic', (arithmetic) => {
    const outputs = tensor(`${tag}.model_outputs`);
    const want = tensor(`${tag}.samples`);
    const x0 = tensor(`${tag}.x0`);
    const piece = (values: Float32Array, i: number) =>
      values.subarray(i * x0.length, (i + 1) * x0.length);
    const { steps } = samplerFor(kind, variant, options);
    const samples = runOnCpu(steps, x0, (_x, _step, i) => piece(outputs, i), arithmetic);
    expect(samples).toHaveLength(options.steps);
    samples.forEach((sample, i) => {
      expect(relativeError(sample, piece(want, i))).toBeLessThan(1e-6);
    });
  });
});

describe('noise levels', () => {
  const tables: [SamplerKind, SamplerVariant, number, string][] = [
    // published tables of ten steps
    [
      'unipc',
      'diffusers',
      3,
      '.999999 .964324 .923166 .875156 .818430 .750375 .667222 .563320 .429795 .251872 0',
    ],
    [
      'unipc',
      'diffusers',
      5,
      '.999999 .978284 .952438 .921156 .882526 .833611 .769674 .682540 .556788 .359433 0',
    ],
    [
      'unipc',
      'original',
      5,
      '.999800 .978048 .952154 .920810 .882093 .833055 .768935 .681508 .555247 .356888 0',
    ],
    [
      'flow_euler',
      'diffusers',
      3,
      '1 .960129 .913349 .857692 .790368 .707278 .602151 .464876 .278049 .008929 0',
    ],
    ['dpmpp', 'original', 3, '1 .964286 .923077 .875 .818182 .75 .666667 .5625 .428571 .25 0'],
  ];
  it.each(tables)('%s, %s, shift %d', (kind, variant, shift, table) => {
    const { sigmas } = samplerFor(kind, variant, { steps: 10, shift });
    const want = table.split(' ').map(Number);
    expect(sigmas).toHaveLength(want.length);
    want.forEach((sigma, i) => expect(sigmas[i]).toBeCloseTo(sigma, 5));
  });

  it('switch experts after 15 of 40 steps at shift 5, boundary 900, original table', () => {
    const { timesteps } = samplerFor('unipc', 'original', { steps: 40, shift: 5 });
    expect(timesteps.filter((time) => time >= 900)).toHaveLength(15);
    const text = samplerFor('unipc', 'original', { steps: 40, shift: 12 });
    expect(text.timesteps.filter((time) => time >= 875)).toHaveLength(26);
  });

  it.each(solvers)(
    'of %s fall from step to step for every count up to 60',
    (_name, kind, variant) => {
      for (let steps = 1; steps <= 60; steps++) {
        const { sigmas, timesteps } = samplerFor(kind, variant, { steps, shift: 5 });
        expect(sigmas).toHaveLength(steps + 1);
        expect(timesteps).toHaveLength(steps);
        expect(sigmas.every((sigma, i) => i === 0 || sigma < (sigmas[i - 1] ?? 0))).toBe(true);
      }
    },
  );

  it.each([0, -1, 2.5, NaN, 1001])('refuse %d steps', (steps) => {
    expect(() => samplerFor('unipc', 'diffusers', { steps, shift: 3 })).toThrow(
      expect.objectContaining({ code: 'sampling/steps' }),
    );
  });

  it.each([0, -3, NaN, Infinity])('refuse shift %d', (shift) => {
    expect(() => samplerFor('dpmpp', 'original', { steps: 4, shift })).toThrow(
      expect.objectContaining({ code: 'sampling/shift' }),
    );
  });
});

describe('any sampler', () => {
  const noise = Float32Array.of(0.3, -1.2, 2);
  const data = Float32Array.of(1, -0.5, 0.25);

  it.each(solvers)(
    '%s lands on the data when the velocity is exact, for any count',
    (_name, kind, variant) => {
      // On a straight path v = noise − data everywhere: every step is exact, whatever its size.
      const velocity = noise.map((value, i) => value - (data[i] ?? 0));
      for (const steps of [1, 2, 3, 7, 30]) {
        const sampler = samplerFor(kind, variant, { steps, shift: 5 });
        const first = sampler.sigmas[0] ?? 1;
        const start = data.map((value, i) => (1 - first) * value + first * (noise[i] ?? 0));
        const last = runOnCpu(sampler.steps, start, () => velocity).at(-1) ?? start;
        last.forEach((value, i) => expect(value).toBeCloseTo(data[i] ?? 0, 5));
      }
    },
  );

  it.each([
    ['unipc', 'original', 2],
    ['dpmpp', 'diffusers', 2],
    ['flow_euler', 'diffusers', 1],
  ] as const)('%s gains accuracy with the steps at its order', (kind, variant, order) => {
    // Gaussian data of spread s: the exact flow takes x(σ) along √((1−σ)²s² + σ²).
    const spread = 0.5;
    const width = (sigma: number) => Math.hypot((1 - sigma) * spread, sigma);
    const errorAt = (steps: number) => {
      const sampler = samplerFor(kind, variant, { steps, shift: 1 });
      const start = Float32Array.of(width(sampler.sigmas[0] ?? 1));
      const samples = runOnCpu(sampler.steps, start, (x, { sigma }) => [
        ((x[0] ?? 0) * (sigma - (1 - sigma) * spread ** 2)) / width(sigma) ** 2,
      ]);
      const middle = Math.floor(steps / 2) - 1; // away from the first-order step at the end
      return Math.abs((samples[middle]?.[0] ?? NaN) - width(sampler.sigmas[middle + 1] ?? NaN));
    };
    const gain = Math.log2(errorAt(16) / errorAt(32));
    expect(gain).toBeGreaterThan(order - 0.4);
  });

  it.each(solvers)(
    '%s has finite coefficients and reads no memory before there is any',
    (_name, kind, variant) => {
      const { steps } = samplerFor(kind, variant, { steps: 5, shift: 3 });
      expect(packSteps(steps).every(Number.isFinite)).toBe(true);
      for (const row of [steps[0]?.m, steps[0]?.xbar, steps[0]?.next]) {
        expect(row).toMatchObject({ m1: 0, m2: 0, xbar: 0 });
      }
      for (const row of [steps[1]?.m, steps[1]?.xbar, steps[1]?.next])
        expect(row).toMatchObject({ m2: 0 });
    },
  );

  it('packs a step as the device reads it', () => {
    const { steps } = samplerFor('unipc', 'diffusers', { steps: 4, shift: 3 });
    const { m, xbar, next, sigma, timestep } = steps[2] ?? { m: undefined };
    const table = packSteps(steps).subarray(2 * FLOATS_PER_STEP, 3 * FLOATS_PER_STEP);
    const order = ['x', 'v', 'm1', 'm2', 'xbar'] as const;
    const want = [
      m?.x,
      m?.v,
      ...order.map((key) => xbar?.[key]),
      ...order.map((key) => next?.[key]),
      sigma,
      timestep,
      0,
      0,
    ];
    expect([...table]).toEqual(want.map((value) => Math.fround(value ?? NaN)));
  });
});
