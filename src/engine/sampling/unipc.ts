/**
 * UniPC, order 2, B₂(h) = e^(−h) − 1, on data predictions of a flow model: each model evaluation first corrects
 * the sample that it was made from, then predicts the next one. First order on the first and on the last step.
 * The data prediction stays the one made from the uncorrected sample.
 * Source: Zhao et al. 2023, arXiv:2302.04867, algorithms 5 and 6, with α = 1 − σ.
 */
import type { Schedule } from './schedule.ts';
import { logSnr } from './schedule.ts';
import { sum, terms, times } from './terms.ts';
import type { SamplerStep, Terms } from './terms.ts';

const X = terms({ x: 1 });
const M1 = terms({ m1: 1 });
const M2 = terms({ m2: 1 });
const XBAR = terms({ xbar: 1 });

const minus = (a: Terms, b: Terms): Terms => sum(a, times(-1, b));

/** Returns the steps of UniPC over `schedule`, whose last level must be 0. */
export function unipcSteps({ sigmas, timesteps }: Schedule): SamplerStep[] {
  const count = timesteps.length;
  const level = (i: number): number => sigmas[i] ?? 0;
  const lambda = sigmas.map(logSnr);
  const snr = (i: number): number => lambda[i] ?? Infinity;
  const orderAt = (i: number): number => Math.min(2, count - i, i + 1);

  return timesteps.map((timestep, i) => {
    const m = terms({ x: 1, v: -level(i) });
    const xbar = i === 0 ? X : correct(i, m);
    return { sigma: level(i), timestep, m, xbar, next: predict(i, m, xbar) };
  });

  /** The sample at level i, made again from the last predictor's start with the new evaluation `m`. */
  function correct(i: number, m: Terms): Terms {
    const h = snr(i) - snr(i - 1);
    const phi = Math.expm1(-h);
    const fresh = minus(m, M1);
    let change = times(0.5, fresh);
    if (orderAt(i - 1) === 2) {
      const r = (snr(i - 2) - snr(i - 1)) / h;
      const b1 = (phi / -h - 1) / phi;
      const b2 = (2 * ((phi / -h - 1) / -h - 0.5)) / phi;
      const rho0 = (b2 - b1) / (r - 1); // ρ0 + ρ1 = b1 and r·ρ0 + ρ1 = b2
      change = sum(times(rho0 / r, minus(M2, M1)), times(b1 - rho0, fresh));
    }
    const gain = -(1 - level(i)) * phi;
    return sum(times(level(i) / level(i - 1), XBAR), times(gain, M1), times(gain, change));
  }

  /** The sample at level i + 1. */
  function predict(i: number, m: Terms, start: Terms): Terms {
    const after = level(i + 1);
    if (after === 0) return m;
    const h = snr(i + 1) - snr(i);
    const gain = -(1 - after) * Math.expm1(-h);
    const first = sum(times(after / level(i), start), times(gain, m));
    if (orderAt(i) === 1) return first;
    const r = (snr(i - 1) - snr(i)) / h;
    return sum(first, times((0.5 * gain) / r, minus(M1, m)));
  }
}
