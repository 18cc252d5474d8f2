/**
 * Noise levels and timesteps of flow matching: x_σ = (1 − σ)·data + σ·noise, σ from 1 (noise) down to 0.
 * The released models come with four slightly different tables; each is formed here in the reference's own
 * order of f64 operations, because timesteps are truncated and a last bit can move one by a whole unit.
 */
import { EngineError } from '../gpu/errors.ts';

export type SamplerKind = 'unipc' | 'flow_euler' | 'dpmpp' | 'renoise';

/** Whose table: the diffusers classes or the original repository. Flow Euler and renoise have one table under both names. */
export type SamplerVariant = 'diffusers' | 'original';

export type ScheduleOptions = {
  /** Number of model evaluations (per guidance branch), 1 to 1000. */
  readonly steps: number;
  /** Pushes the levels towards noise: σ' = s·σ / (1 + (s − 1)·σ). 1 leaves them as they are. */
  readonly shift: number;
  /** What a distilled network is told, falling whole numbers of 1000 and below, one a step; evenly from 1000 where left out. */
  readonly timesteps?: readonly number[] | undefined;
};

export type Schedule = {
  /** steps + 1 noise levels, falling, the last 0; rounded to f32 as the references keep them. */
  readonly sigmas: readonly number[];
  /** What the network is told at each step, 0…1000: whole numbers but for flow Euler. */
  readonly timesteps: readonly number[];
};

const TRAIN_STEPS = 1000;

/** Returns σ pushed towards noise: s·σ / (1 + (s − 1)·σ). */
export const shifted = (sigma: number, shift: number): number =>
  (shift * sigma) / (1 + (shift - 1) * sigma);

/** Returns `count` values from `first` to `last` inclusive; one value is `first` alone. */
export function linspace(first: number, last: number, count: number): number[] {
  const step = count > 1 ? (last - first) / (count - 1) : 0;
  return Array.from({ length: count }, (_, i) =>
    i > 0 && i === count - 1 ? last : i * step + first,
  );
}

function levelsOf(
  kind: SamplerKind,
  variant: SamplerVariant,
  steps: number,
  shift: number,
): number[] {
  if (kind === 'flow_euler') {
    const smallest = shifted(1 / TRAIN_STEPS, shift); // shifted here and again below: so the class does it
    return linspace(1, smallest, steps).map((sigma) => shifted(sigma, shift));
  }
  if (kind === 'unipc' && variant === 'diffusers') {
    const levels = linspace(1, 1 / TRAIN_STEPS, steps + 1).map((sigma) => shifted(sigma, shift));
    return [(levels[0] ?? 1) - 1e-6, ...levels.slice(1, steps)]; // keeps ln(1 − σ) finite
  }
  if (kind === 'unipc') {
    const largest = Math.fround(1 - 1 / TRAIN_STEPS);
    return linspace(largest, 0, steps + 1)
      .slice(0, steps)
      .map((sigma) => shifted(sigma, shift));
  }
  if (variant === 'diffusers') {
    return linspace(1, 1 / TRAIN_STEPS, steps + 1)
      .map((alpha) => shifted(1 - alpha, shift))
      .reverse()
      .slice(0, steps);
  }
  return linspace(1, 0, steps + 1)
    .slice(0, steps)
    .map((sigma) => shifted(sigma, shift));
}

/** The table that a distilled network was trained on, at the entries nearest to `timesteps`. */
function levelsNear(timesteps: readonly number[], shift: number): number[] {
  const table = linspace(1, 1 / TRAIN_STEPS, TRAIN_STEPS).map((sigma) => shifted(sigma, shift));
  const missed = (sigma: number, timestep: number): number =>
    Math.abs(TRAIN_STEPS * sigma - timestep);
  return timesteps.map((timestep) =>
    table.reduce((best, each) => (missed(each, timestep) < missed(best, timestep) ? each : best)),
  );
}

/**
 * Returns the noise levels and timesteps of a sampler.
 * Throws `sampling/steps` or `sampling/shift` for a count or shift that no table exists for.
 */
export function scheduleFor(
  kind: SamplerKind,
  variant: SamplerVariant,
  { steps, shift, timesteps }: ScheduleOptions,
): Schedule {
  if (!Number.isInteger(steps) || steps < 1 || steps > TRAIN_STEPS) {
    throw new EngineError(
      'sampling/steps',
      `number of steps — got ${steps}, needs a whole number from 1 to ${TRAIN_STEPS} — change the setting`,
      { have: steps, need: TRAIN_STEPS },
    );
  }
  if (!Number.isFinite(shift) || shift <= 0) {
    throw new EngineError(
      'sampling/shift',
      `schedule shift — got ${shift}, needs a number above 0 — use 3 for small and 5 for large pictures`,
      { have: shift },
    );
  }
  if (kind === 'renoise') {
    const told = timesteps ?? linspace(TRAIN_STEPS, TRAIN_STEPS / steps, steps).map(Math.round);
    checkTimesteps(told, steps);
    return { sigmas: [...levelsNear(told, shift), 0].map(Math.fround), timesteps: told };
  }
  const levels = levelsOf(kind, variant, steps, shift);
  const whole = kind !== 'flow_euler';
  return {
    sigmas: [...levels, 0].map(Math.fround),
    timesteps: levels.map((sigma) =>
      whole ? Math.trunc(sigma * TRAIN_STEPS) : sigma * TRAIN_STEPS,
    ),
  };
}

function checkTimesteps(told: readonly number[], steps: number): void {
  const isFalling = told.every(
    (t, i) => Number.isInteger(t) && t >= 1 && t < (told[i - 1] ?? TRAIN_STEPS + 1),
  );
  if (told.length === steps && isFalling) return;
  throw new EngineError(
    'sampling/steps',
    `timesteps — got ${told.join(', ')}, needs ${steps} falling whole numbers from ${TRAIN_STEPS} to 1 — correct the model's settings`,
    { have: told.length, need: steps },
  );
}

/** Half the log signal-to-noise ratio λ(σ) = ln(1 − σ) − ln σ: −∞ at pure noise, +∞ at σ = 0. */
export const logSnr = (sigma: number): number => Math.log(1 - sigma) - Math.log(sigma);
