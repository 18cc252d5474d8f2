/** The rungs of models that denoise in steps: from every lever off to every lever on. */
import type { Rung, Switches } from './ladder.ts';

/** Every lever off; `steps` is the model's own. */
export const plainSwitches = (steps: number): Switches => ({
  ...{ precision: 'f32', attention: 'plain', fusion: false, replay: false, matrix: false },
  ...{ tuned: false, resident: true },
  ...{ context: 'each step', text: 'padded', weights: 'as computed' },
  ...{ steps, reuseWithin: 0 },
});

/** Steps from which leaving some out says anything. */
const MANY_STEPS = 6;

export const denoisingRungs = (steps: number, reuseWithin: number): readonly Rung[] => [
  { name: 'plain f32', change: {} },
  { name: 'replay of one recording', change: { replay: true } },
  { name: 'fusion', change: { fusion: true } },
  { name: 'fused attention', change: { attention: 'fused' } },
  { name: 'text kept as keys and values', change: { context: 'kept' } },
  { name: 'text cut to its length', change: { text: 'cut' } },
  { name: 'f16 with f32 sums', change: { precision: 'f16' } },
  { name: 'subgroup matrices', change: { matrix: true } },
  { name: 'kernels timed on the device', change: { tuned: true } },
  { name: 'int4 weights', change: { weights: 'i4' }, aside: true },
  { name: 'int8 weights', change: { weights: 'i8' } },
  { name: 'products of 8-bit integers', change: { weights: 'w8a8' } },
  ...(steps < MANY_STEPS ? [] : fewerSteps(steps - 2, reuseWithin)),
];

const fewerSteps = (steps: number, reuseWithin: number): readonly Rung[] => [
  { name: `${steps} steps`, change: { steps }, aside: true },
  { name: 'velocity used again', change: { reuseWithin }, aside: true },
];
