/**
 * Solvers of flow models that run from t = 0 (noise) to t = 1 (data) on the velocity data − noise. A row of the table
 * is one call of the network; solvers with several calls a step keep the point they started from in `xbar`.
 * Source: Lumina-Image-2.0, transport/integrators.py, with torchdiffeq's solvers; Lu et al. 2022, arXiv:2211.01095.
 */
import { EngineError } from '../gpu/errors.ts';
import { shiftForTokens } from './flow-match.ts';
import { linspace, logSnr, shifted } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import { sum, terms, times } from './terms.ts';
import type { SamplerStep, Terms } from './terms.ts';

export type OdeMethod = 'euler' | 'midpoint' | 'rk4';

/** How the even grid of times is bent: by a factor, by mu as FlowMatchEuler does, or not at all. */
export type TimeShift = { readonly factor: number } | { readonly mu: number } | undefined;

export type Transport = {
  /** Times at which steps begin and end; noise levels for DPM-Solver++. */
  readonly grid: readonly number[];
  /** One row for each call of the network; `timestep` is the t in 0 … 1 that the network is told. */
  readonly steps: readonly SamplerStep[];
  /** Calls of the network for each step. */
  readonly callsPerStep: number;
  /** Whether each call leaves an estimate of the data in the memory's first place; the 3/8 rule keeps slopes there. */
  readonly estimates: boolean;
};

/** The shift that the released sampler makes of its option `do_shift`: it takes channels for tokens. */
export const channelShift = (channels: number): TimeShift => ({ mu: shiftForTokens(channels) });

const X = terms({ x: 1 });
const V = terms({ v: 1 });
const M1 = terms({ m1: 1 });
const M2 = terms({ m2: 1 });
const START = terms({ xbar: 1 });

const DATA_ENDS = 0.001;

/** Returns u / (u + s − s·u), or the mirror image of the shift by mu. */
function bend(u: number, shift: TimeShift): number {
  if (!shift) return u;
  if ('factor' in shift) return u / (u + shift.factor - shift.factor * u);
  const a = Math.exp(shift.mu);
  return 1 - a / (a + (1 / (1 - u) - 1));
}

/** Returns an explicit solver on a grid of `points` times, 2 or more. Throws `sampling/steps`. */
export function odeTransport(method: OdeMethod, points: number, shift: TimeShift): Transport {
  checkCount(points, 2);
  const grid = linspace(0, 1, points).map((u) => Math.fround(bend(u, shift)));
  const calls = { euler, midpoint, rk4 }[method];
  const steps = grid.slice(1).flatMap((end, i) => calls(grid[i] ?? 0, end - (grid[i] ?? 0)));
  return {
    ...{ grid, steps, callsPerStep: steps.length / (points - 1) },
    estimates: method !== 'rk4',
  };
}

/** Returns Euler's method on the noise levels of a schedule, 1 − t: FlowMatchEuler, seen from noise to data. */
export function scheduleTransport({ sigmas }: Schedule): Transport {
  const level = (i: number): number => sigmas[i] ?? 0;
  const steps = sigmas.slice(1).flatMap((end, i) => euler(1 - level(i), level(i) - end));
  return { grid: sigmas.map((sigma) => 1 - sigma), steps, callsPerStep: 1, estimates: true };
}

const call = (t: number, next: Terms, more: Partial<SamplerStep> = {}): SamplerStep => ({
  sigma: 1 - t,
  timestep: t,
  m: sum(X, times(1 - t, V)),
  xbar: START,
  next,
  ...more,
});

const euler = (t: number, dt: number): SamplerStep[] => [call(t, sum(X, times(dt, V)))];

const midpoint = (t: number, dt: number): SamplerStep[] => [
  call(t, sum(X, times(dt / 2, V)), { xbar: X }),
  call(t + dt / 2, sum(START, times(dt, V))),
];

/** The 3/8 rule. The first slope leaves the memory before the last call, so its share is added to the start early. */
const rk4 = (t: number, dt: number): SamplerStep[] => {
  const slope = (at: number, next: Terms, xbar: Terms = START): SamplerStep =>
    call(at, next, { m: V, xbar });
  return [
    slope(t, sum(X, times(dt / 3, V)), X),
    slope(t + dt / 3, sum(START, times(dt, V), times(-dt / 3, M1))),
    slope(
      t + (2 * dt) / 3,
      sum(START, times(dt, V), times(-dt, M1), times(dt, M2)),
      sum(START, times(dt / 8, M2)),
    ),
    slope(t + dt, sum(START, times(dt / 8, V), times((3 * dt) / 8, M1), times((3 * dt) / 8, M2))),
  ];
};

/**
 * Returns DPM-Solver++ of `order` 1 to 3 in `count` calls: lower orders at the start and at the end.
 * `grid` holds noise levels, 1 − t. Throws `sampling/steps`.
 */
export function dpmTransport(order: 1 | 2 | 3, count: number, shift: number): Transport {
  checkCount(count, 1);
  const levels = linspace(1, DATA_ENDS, count + 1)
    .map((u) => shifted(1 - u, shift))
    .reverse();
  const level = (i: number): number => levels[i] ?? 0;
  const steps = Array.from({ length: count }, (_, i) => {
    const m = terms({ x: 1, v: level(i) });
    const reach = Math.min(order, i + 1, count - i);
    return call(1 - level(i), predict(level, i, m, reach), { m, xbar: X });
  });
  return { grid: levels, steps, callsPerStep: 1, estimates: true };
}

function predict(level: (i: number) => number, i: number, m: Terms, order: number): Terms {
  const after = level(i + 1);
  if (after === 0) return m;
  const h = logSnr(after) - logSnr(level(i));
  const alpha = 1 - after;
  const phi1 = Math.expm1(-h);
  const first = sum(times(after / level(i), X), times(-alpha * phi1, m));
  if (order === 1) return first;
  const r0 = (logSnr(level(i)) - logSnr(level(i - 1))) / h;
  const slope0 = times(1 / r0, sum(m, times(-1, M1)));
  if (order === 2) return sum(first, times(-0.5 * alpha * phi1, slope0));
  const r1 = (logSnr(level(i - 1)) - logSnr(level(i - 2))) / h;
  const slope1 = times(1 / r1, sum(M1, times(-1, M2)));
  const change = sum(slope0, times(-1, slope1));
  const phi2 = phi1 / h + 1;
  const phi3 = phi2 / h - 0.5;
  const d1 = sum(slope0, times(r0 / (r0 + r1), change));
  return sum(first, times(alpha * phi2, d1), times((-alpha * phi3) / (r0 + r1), change));
}

function checkCount(count: number, least: number): void {
  if (Number.isInteger(count) && count >= least && count <= 1000) return;
  throw new EngineError(
    'sampling/steps',
    `number of steps — got ${count}, needs a whole number from ${least} to 1000 — change the setting`,
    { have: count, need: least },
  );
}
