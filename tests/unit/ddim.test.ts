import { describe, expect, it } from 'vitest';
import { ddimSampler, dynamicScale } from '../../src/engine/sampling/ddim.ts';
import { levelsOf, timestepsFor } from '../../src/engine/sampling/ddim-tables.ts';
import { dynamiCrafterDdim } from '../../src/engine/models/dynamicrafter/config.ts';
import { VARIANTS } from '../../src/engine/models/dynamicrafter/variants.ts';
import { parseDdimConfig } from '../../src/engine/models/i2vgenxl/ddim-config.ts';

const I2VGEN = {
  beta_schedule: 'squaredcos_cap_v2',
  rescale_betas_zero_snr: true,
  clip_sample: false,
  steps_offset: 1,
  timestep_spacing: 'leading',
  prediction_type: 'v_prediction',
};

describe('noise levels', () => {
  it('are those of I2VGen-XL', () => {
    const { alphas } = levelsOf(parseDdimConfig(I2VGEN));
    const known = { 0: 0.99995872, 21: 0.99797104, 501: 0.49070615, 981: 0.00078402986, 999: 0 };
    for (const [t, level] of Object.entries(known))
      expect(alphas[Number(t)], `at ${t}`).toBeCloseTo(level, 6);
  });

  it('are those of DynamiCrafter, with and without a silent end', () => {
    const at = (variant: '256' | '512') =>
      levelsOf(dynamiCrafterDdim(VARIANTS[variant].sampling)).alphas;
    expect(at('256')[0]).toBeCloseTo(0.99915, 6);
    expect(at('256')[999]).toBeCloseTo(0.0046600985, 8);
    expect(at('512')[19]).toBeCloseTo(0.9810105, 6);
    expect(at('512')[979]).toBeCloseTo(8.5787843e-5, 9);
    expect(at('512')[999]).toBe(0);
  });
});

describe('timesteps', () => {
  it('lead, trail, or go evenly over the range', () => {
    expect(timestepsFor('leading', 50, 1).slice(0, 2)).toEqual([981, 961]);
    expect(timestepsFor('leading', 50, 1).at(-1)).toBe(1);
    expect(timestepsFor('trailing', 50).slice(0, 2)).toEqual([999, 979]);
    expect(timestepsFor('uniform_trailing', 50).at(-1)).toBe(19);
    expect(timestepsFor('linspace', 3)).toEqual([999, 500, 0]);
  });

  it('are one more where the count does not divide the range, as in the original', () => {
    expect(timestepsFor('uniform', 50)).toHaveLength(50);
    expect(timestepsFor('uniform', 30)).toHaveLength(31);
    expect(timestepsFor('uniform', 60)).toHaveLength(63);
  });

  it('round halves to even and never fall below zero', () => {
    expect(timestepsFor('uniform_trailing', 16).slice(0, 4)).toEqual([999, 937, 874, 811]);
    expect(timestepsFor('uniform_trailing', 61).every((t) => t >= 0)).toBe(true);
  });

  it.each([0, 1001, 1.5])('refuse a count of %d', (steps) => {
    expect(() => timestepsFor('uniform', steps)).toThrow(
      expect.objectContaining({ code: 'sampling/steps' }),
    );
  });
});

describe('DDIM steps', () => {
  const of = (variant: '256' | '512' | '1024', steps: number, eta: number) =>
    ddimSampler(dynamiCrafterDdim(VARIANTS[variant].sampling), { steps, eta }).steps;

  it('have the noise of the original', () => {
    const sigmas = of('512', 50, 1).map(({ sigma }) => sigma);
    expect(sigmas[0]).toBeCloseTo(0.9999571, 6);
    expect(sigmas[1]).toBeCloseTo(0.8781245, 6);
    expect(sigmas.at(-1)).toBeCloseTo(0.0285069, 6);
  });

  it.each([7, 11, 14, 15, 20, 25, 33, 50, 64])(
    'stay finite from pure noise in %i steps',
    (steps) => {
      for (const { x0, eps, next } of of('512', steps, 1))
        expect(
          [...Object.values(x0), ...Object.values(eps), ...Object.values(next)].every(
            Number.isFinite,
          ),
        ).toBe(true);
    },
  );

  it('end at the level of the first timestep, or at none', () => {
    expect(of('512', 50, 1).at(-1)?.nextLevel).toBeCloseTo(0.99915, 6);
    const diffusers = ddimSampler(parseDdimConfig(I2VGEN), { steps: 50, eta: 0 });
    expect(diffusers.steps.at(-1)?.nextLevel).toBe(1);
  });

  it('rescale the data of the large models', () => {
    expect(dynamicScale(0.7, 0)).toBe(1);
    expect(dynamicScale(0.7, 399)).toBeCloseTo(0.7, 6);
    const scaled = (variant: '512' | '1024') => {
      const step = of(variant, 50, 0).at(-2);
      return (step?.x0.x ?? 0) / Math.sqrt(step?.level ?? 1);
    };
    expect(scaled('512')).toBeCloseTo(1.0155, 3);
    expect(scaled('1024')).toBeCloseTo(1.0377, 3);
  });

  it('refuse an eta above one', () => {
    expect(() => of('512', 50, 1.5)).toThrow(expect.objectContaining({ code: 'sampling/eta' }));
  });
});
