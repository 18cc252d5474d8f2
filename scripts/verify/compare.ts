/** The bars that outputs are held to, and how far one is from its reference. */
import type { Level, Measure } from './case.ts';

/** Largest ‖ours − reference‖₂ / ‖reference‖₂, or smallest peak signal-to-noise ratio. */
export type Bar = { readonly relative: number } | { readonly decibels: number };

const relative = (bar: number): Bar => ({ relative: bar });
const decibels = (bar: number): Bar => ({ decibels: bar });
const barsOf = (f32: Bar, f16: Bar, int8: Bar, int4: Bar): Readonly<Record<Level, Bar>> => ({
  ...{ f32, f16, int8, int4 },
});

/** What 8 and 4 bits cost is measured on random weights, which have no redundancy, with margin: docs/quantised-weights.md. */
const BARS: Readonly<Record<Measure, Readonly<Record<Level, Bar>>>> = {
  network: barsOf(relative(1e-4), relative(1e-2), relative(3e-2), relative(0.25)),
  // A reference that itself is rounded to bf16 on the way: eight bits, whatever our own precision.
  rounded: barsOf(relative(1e-2), relative(1e-2), relative(3e-2), relative(0.25)),
  // A sampler's own arithmetic is f32 at any precision.
  trajectory: barsOf(relative(1e-5), relative(1e-5), relative(1e-5), relative(1e-5)),
  latents: barsOf(relative(1e-3), decibels(35), decibels(42), decibels(20)),
  frames: barsOf(relative(1e-3), decibels(35), decibels(42), decibels(20)),
  // Rounding to 8 bits alone leaves 59 dB.
  pixels: barsOf(decibels(55), decibels(35), decibels(35), decibels(20)),
};

export type Comparison = {
  readonly passed: boolean;
  /** Relative error or PSNR, with its unit: for people. */
  readonly text: string;
  /** How far beyond the bar, 1 = on it: the same scale for both kinds of bar. */
  readonly badness: number;
};

/** Returns how `ours` stands against `reference`. A value that is not finite fails, in either of them. */
export function compare(
  ours: ArrayLike<number>,
  reference: ArrayLike<number>,
  measure: Measure,
  level: Level,
): Comparison {
  if (ours.length !== reference.length) {
    return {
      passed: false,
      text: `${ours.length} values for ${reference.length}`,
      badness: Infinity,
    };
  }
  let difference = 0;
  let power = 0;
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < ours.length; i++) {
    const want = reference[i] ?? NaN;
    difference += ((ours[i] ?? NaN) - want) ** 2;
    power += want ** 2;
    low = Math.min(low, want);
    high = Math.max(high, want);
  }
  if (!Number.isFinite(difference))
    return { passed: false, text: 'values that are not finite', badness: Infinity };
  const bar = BARS[measure][level];
  if ('relative' in bar) {
    const error = Math.sqrt(difference) / Math.max(Math.sqrt(power), Number.MIN_VALUE);
    return {
      passed: error <= bar.relative,
      text: error.toExponential(1),
      badness: error / bar.relative,
    };
  }
  const peak = measure === 'frames' || measure === 'pixels' ? 1 : high - low;
  const decibels = 10 * Math.log10(peak ** 2 / (difference / ours.length));
  return {
    passed: decibels >= bar.decibels,
    text: `${decibels.toFixed(1)} dB`,
    badness: 10 ** ((bar.decibels - decibels) / 20),
  };
}
