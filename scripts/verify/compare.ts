/** The bars that outputs are held to, and how far one is from its reference. */
import type { Precision } from '../../src/engine/graph/graph.ts';
import type { Measure } from './case.ts';

/** Largest ‖ours − reference‖₂ / ‖reference‖₂, or smallest peak signal-to-noise ratio. */
export type Bar = { readonly relative: number } | { readonly decibels: number };

const BARS: Readonly<Record<Measure, Readonly<Record<Precision, Bar>>>> = {
  network: { f32: { relative: 1e-4 }, f16: { relative: 1e-2 } },
  // A reference that itself is rounded to bf16 on the way: eight bits, whatever our own precision.
  rounded: { f32: { relative: 1e-2 }, f16: { relative: 1e-2 } },
  // A sampler's own arithmetic is f32 at either precision.
  trajectory: { f32: { relative: 1e-5 }, f16: { relative: 1e-5 } },
  latents: { f32: { relative: 1e-3 }, f16: { decibels: 35 } },
  frames: { f32: { relative: 1e-3 }, f16: { decibels: 35 } },
  // Rounding to 8 bits alone leaves 59 dB.
  pixels: { f32: { decibels: 55 }, f16: { decibels: 35 } },
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
  precision: Precision,
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
  const bar = BARS[measure][precision];
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
