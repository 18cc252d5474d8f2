/**
 * Noise levels ᾱ_t and timesteps of DDIM. The references keep some tables in f32 and others in f64; a level near zero
 * is the remainder of a long subtraction, so each table is formed in its reference's own precision.
 */
import { EngineError } from '../gpu/errors.ts';

export const TRAIN_STEPS = 1000;

export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';

export type BetaOptions = {
  readonly schedule: BetaSchedule;
  readonly start: number;
  readonly end: number;
  /** Levels moved so that the last is pure noise. */
  readonly zeroSnr: boolean;
  /** Whose arithmetic: diffusers rounds every table to f32, the original code works in f64 and rounds ᾱ at the end. */
  readonly arithmetic: 'f32' | 'f64';
};

/** Which of the 1000 timesteps are run: see `timestepsFor`. */
export type Spacing = 'leading' | 'trailing' | 'linspace' | 'uniform' | 'uniform_trailing';

type Round = (value: number) => number;

/** `count` values from `first` to `last`; in f32 counted from both ends, as torch does. */
function linspace(first: number, last: number, count: number, round: Round): number[] {
  const [from, to] = [round(first), round(last)];
  const step = round((to - from) / (count - 1));
  return Array.from({ length: count }, (_, i) =>
    i < count / 2 ? round(from + step * i) : round(to - step * (count - 1 - i)),
  );
}

const cosine = (u: number): number => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;

function betasOf({ schedule, start, end }: BetaOptions, round: Round): number[] {
  if (schedule === 'linear') return linspace(start, end, TRAIN_STEPS, round);
  if (schedule === 'scaled_linear') {
    const roots = linspace(Math.sqrt(start), Math.sqrt(end), TRAIN_STEPS, round);
    return roots.map((root) => round(root * root));
  }
  return Array.from({ length: TRAIN_STEPS }, (_, i) =>
    round(Math.min(1 - cosine((i + 1) / TRAIN_STEPS) / cosine(i / TRAIN_STEPS), 0.999)),
  );
}

/** Products of 1 − β from the first on, each rounded as it is kept. */
function cumulative(betas: readonly number[], round: Round): number[] {
  let product = 1;
  return betas.map((beta) => {
    product *= round(1 - beta);
    return round(product);
  });
}

/** Lin et al. 2024, arXiv:2305.08891, algorithm 1, as betas. */
function toZeroSnr(betas: readonly number[], round: Round): number[] {
  const roots = cumulative(betas, round).map((level) => round(Math.sqrt(level)));
  const [first = 1, last = 0] = [roots[0], roots.at(-1)];
  const stretch = round(first / round(first - last));
  const levels = roots.map((root) => {
    const moved = round(round(root - last) * stretch);
    return round(moved * moved);
  });
  return levels.map((level, i) =>
    round(1 - (i === 0 ? level : round(level / (levels[i - 1] ?? 1)))),
  );
}

/** Returns β_t and ᾱ_t for t = 0 … 999, rounded to f32. */
export function levelsOf(options: BetaOptions): {
  readonly betas: readonly number[];
  readonly alphas: readonly number[];
} {
  const round: Round = options.arithmetic === 'f32' ? Math.fround : (value) => value;
  const plain = betasOf(options, round);
  const betas = options.zeroSnr ? toZeroSnr(plain, round) : plain;
  return {
    betas: betas.map(Math.fround),
    alphas: cumulative(betas, round).map(Math.fround),
  };
}

/** Rounds halves to even, as numpy does. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** numpy.arange(1000, 0, −1000 / steps), rounded: the last of each of `steps` equal parts of the noise range. */
function trailing(steps: number): number[] {
  const stride = TRAIN_STEPS / steps;
  const count = Math.ceil(TRAIN_STEPS / stride);
  const all = Array.from({ length: count }, (_, i) => roundEven(TRAIN_STEPS - i * stride) - 1);
  return all.filter((t) => t >= 0);
}

/**
 * Returns the timesteps to run, noisiest first. `uniform` gives more than `steps` of them when `steps` does not divide
 * 1000, as its reference does. Throws `sampling/steps` unless `steps` is a whole number from 1 to 1000.
 */
export function timestepsFor(spacing: Spacing, steps: number, offset = 0): number[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > TRAIN_STEPS) {
    throw new EngineError(
      'sampling/steps',
      `number of steps — got ${steps}, needs a whole number from 1 to ${TRAIN_STEPS} — change the setting`,
      { have: steps, need: TRAIN_STEPS },
    );
  }
  const stride = Math.floor(TRAIN_STEPS / steps);
  if (spacing === 'trailing' || spacing === 'uniform_trailing') return trailing(steps);
  if (spacing === 'linspace') {
    const step = steps > 1 ? (TRAIN_STEPS - 1) / (steps - 1) : 0;
    return Array.from({ length: steps }, (_, i) => roundEven((steps - 1 - i) * step));
  }
  const count = spacing === 'uniform' ? Math.ceil(TRAIN_STEPS / stride) : steps;
  const first = spacing === 'uniform' ? 1 : offset;
  return Array.from({ length: count }, (_, i) =>
    Math.min(TRAIN_STEPS - 1, (count - 1 - i) * stride + first),
  );
}
