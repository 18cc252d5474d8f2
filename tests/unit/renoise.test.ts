/** Models distilled to a few steps: their noise levels, and noise that is made again between steps. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../src/engine/kernels/case.ts';
import { packSteps, runOnCpu, samplerFor } from '../../src/engine/sampling/sampler.ts';
import type { ScheduleOptions } from '../../src/engine/sampling/sampler.ts';

const renoise = (options: ScheduleOptions) => samplerFor('renoise', 'diffusers', options);

describe('noise levels of a distilled model', () => {
  // The entry k of its table is s k / (1000 + (s - 1) k): 384 and 179 of 1000 at shift 5, 280 and 120 at shift 8.
  it.each([
    [5, [1, 1920 / 2536, 895 / 1716, 0]],
    [8, [1, 2240 / 2960, 960 / 1840, 0]],
  ])('are those of its table next to what it is told: shift %i', (shift, want) => {
    const timesteps = [1000, 757, 522];
    const { sigmas, timesteps: told, steps } = renoise({ steps: 3, shift, timesteps });
    expect(told).toEqual(timesteps);
    expect(steps.map(({ timestep }) => timestep)).toEqual(timesteps);
    expect(sigmas).toEqual(want.map(Math.fround));
  });

  it('are even where it is told nothing of its own', () => {
    const { sigmas, timesteps } = renoise({ steps: 4, shift: 5 });
    expect(timesteps).toEqual([1000, 750, 500, 250]);
    sigmas.forEach((sigma, i) => expect(Math.abs(sigma - (1 - i / 4))).toBeLessThan(0.002));
    expect(renoise({ steps: 1, shift: 5 }).sigmas).toEqual([1, 0]);
  });

  it.each([
    ['too few', [1000, 500]],
    ['not falling', [1000, 500, 500]],
    ['fractions', [1000, 757.5, 522]],
    ['beyond the first', [1001, 757, 522]],
    ['none', [1000, 757, 0]],
  ])('are refused when what it is told is no table: %s', (_what, timesteps) => {
    expect(() => renoise({ steps: 3, shift: 5, timesteps })).toThrow(
      expect.objectContaining({ code: 'sampling/steps' }),
    );
  });
});

describe('making noise again', () => {
  const values = (name: string): Float32Array =>
    Float32Array.from({ length: 50 }, (_, i) => seeded(name, i));
  const sampler = renoise({ steps: 3, shift: 5, timesteps: [1000, 757, 522] });
  const fresh = (step: number): Float32Array => values(`noise ${step}`);

  it('takes a sample of the next level from the data of a network that knows them', () => {
    const data = values('data');
    const samples = runOnCpu(
      sampler.steps,
      values('start'),
      (x, { sigma }) => x.map((value, i) => (value - (data[i] ?? NaN)) / sigma),
      'f64',
      fresh,
    );
    samples.forEach((sample, step) => {
      const after = sampler.sigmas[step + 1] ?? NaN;
      const noise = fresh(step);
      sample.forEach((value, i) => {
        const want = (1 - after) * (data[i] ?? NaN) + after * (noise[i] ?? NaN);
        expect(Math.abs(value - want)).toBeLessThan(1e-6);
      });
    });
    expect(samples).toHaveLength(3);
  });

  it('reads no noise in the last step, and none of the memory before', () => {
    expect(sampler.renoises).toBe(true);
    expect(sampler.steps.at(-1)?.next).toMatchObject({ xbar: 0, m1: 0, m2: 0 });
    expect(packSteps(sampler.steps).every(Number.isFinite)).toBe(true);
  });
});
