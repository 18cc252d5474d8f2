/**
 * Noise levels of the FlowMatchEuler class with its options: a grid of the pipeline's own, a shift that depends on the
 * picture's size, levels stretched to a last one above zero. Source: diffusers, scheduling_flow_match_euler_discrete.py.
 */
import { EngineError } from '../gpu/errors.ts';
import type { Schedule } from './schedule.ts';
import { linspace, shifted } from './schedule.ts';

export type FlowMatchOptions = {
  readonly steps: number;
  /** `linear`: 1 to 1/steps, as pipelines pass it; `own`: between the class's own ends, shifted once more. */
  readonly grid: 'linear' | 'own';
  /** A fixed shift, or one by `mu`: σ' = a / (a + 1/σ − 1) with a = e^mu (exponential) or mu (linear). */
  readonly shift:
    { readonly factor: number } | { readonly mu: number; readonly type: 'exponential' | 'linear' };
  /** Stretches the levels so that the last before 0 is this one. */
  readonly terminal?: number;
};

const TRAIN_STEPS = 1000;

/** Returns the mu that pipelines take for a picture of `tokens` tokens: 0.5 at 256, 1.15 at 4096, a line between. */
export function shiftForTokens(tokens: number): number {
  const slope = (1.15 - 0.5) / (4096 - 256);
  return tokens * slope + (0.5 - 256 * slope);
}

/** Returns levels and timesteps, 1000 · σ. Throws `sampling/steps` for a count outside 1 … 1000. */
export function flowMatchSchedule({ steps, grid, shift, terminal }: FlowMatchOptions): Schedule {
  if (!Number.isInteger(steps) || steps < 1 || steps > TRAIN_STEPS) {
    throw new EngineError(
      'sampling/steps',
      `number of steps — got ${steps}, needs a whole number from 1 to ${TRAIN_STEPS} — change the setting`,
      { have: steps, need: TRAIN_STEPS },
    );
  }
  const warp = (sigma: number): number => {
    if ('factor' in shift) return shifted(sigma, shift.factor);
    const a = shift.type === 'exponential' ? Math.exp(shift.mu) : shift.mu;
    return a / (a + (1 / sigma - 1));
  };
  const smallest = 'factor' in shift ? warp(1 / TRAIN_STEPS) : 1 / TRAIN_STEPS;
  const levels = linspace(1, grid === 'linear' ? 1 / steps : smallest, steps).map(warp);
  const ends = terminal === undefined ? levels : stretch(levels, terminal);
  return {
    sigmas: [...ends, 0].map(Math.fround),
    timesteps: ends.map((sigma) => sigma * TRAIN_STEPS),
  };
}

function stretch(levels: readonly number[], terminal: number): number[] {
  const scale = (1 - (levels.at(-1) ?? 0)) / (1 - terminal);
  return levels.map((sigma) => 1 - (1 - sigma) / scale);
}
