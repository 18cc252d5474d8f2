/**
 * DPM-Solver++ (2M, midpoint) on data predictions of a flow model. First order on the first and on the last
 * step. At σ = 1 the log signal-to-noise ratio is −∞: h is then infinite and the limits of all terms are finite.
 * Source: Lu et al. 2022, arXiv:2211.01095, algorithm 2, with α = 1 − σ.
 */
import type { Schedule } from './schedule.ts';
import { logSnr } from './schedule.ts';
import { sum, terms, times } from './terms.ts';
import type { SamplerStep, Terms } from './terms.ts';

const X = terms({ x: 1 });
const M1 = terms({ m1: 1 });

/** Returns the steps of DPM-Solver++ 2M over `schedule`, whose last level must be 0. */
export function dpmppSteps({ sigmas, timesteps }: Schedule): SamplerStep[] {
  const level = (i: number): number => sigmas[i] ?? 0;
  return timesteps.map((timestep, i) => {
    const m = terms({ x: 1, v: -level(i) });
    return { sigma: level(i), timestep, m, xbar: X, next: predict(i, m) };
  });

  function predict(i: number, m: Terms): Terms {
    const after = level(i + 1);
    if (after === 0) return m;
    const h = logSnr(after) - logSnr(level(i));
    const gain = -(1 - after) * Math.expm1(-h);
    const first = sum(times(after / level(i), X), times(gain, m));
    if (i === 0) return first;
    const before = logSnr(level(i)) - logSnr(level(i - 1));
    return sum(first, times(0.5 * gain * (h / before), sum(m, times(-1, M1))));
  }
}
