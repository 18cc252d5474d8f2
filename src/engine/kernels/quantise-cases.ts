/** Shapes, reference and test cases that the kernels which quantise share. */
import type { IntegerType } from '../gpu/integers.ts';
import { groupOf, rangeOf, scalesPerRow } from '../gpu/integers.ts';
import type { Shape } from '../gpu/tensor.ts';
import { seeded } from './case.ts';
import type { Arrays, Case, Dims } from './kernel.ts';
import { quantiseValues } from './quantisation.ts';

/** Returns the shapes of x [M, K], q [M, K] and scale [M, groups]. */
export function quantiseShapes({ M = 1, K = 1 }: Dims, dtype: IntegerType): Record<string, Shape> {
  return { x: [M, K], q: [M, K], scale: [M, scalesPerRow(dtype, K)] };
}

/** Returns q and scale of x. */
export function quantiseCpu(
  { x = new Float32Array() }: Arrays,
  { K = 1 }: Dims,
  dtype: IntegerType,
): Arrays {
  return quantiseValues(x, K, dtype);
}

/**
 * Values near integer steps of each group's scale, so that no rounding hangs on the last bit; the largest of a group
 * is ±1, in every other group negative.
 */
export function quantiseCases(dtype: IntegerType): readonly Case[] {
  const filled = (K: number) => (name: string, i: number) => {
    const k = i % K;
    const group = Math.min(groupOf(dtype), K);
    const sign = Math.floor(i / group) % 2 === 0 ? -1 : 1;
    if (k % group === 1) return sign;
    const level = Math.round(seeded(name, i) * (rangeOf(dtype) - 1));
    return (level + 0.2 * seeded('near', i)) / rangeOf(dtype);
  };
  return [
    { dims: { M: 5, K: 7 }, fill: filled(7), why: 'rows shorter than one group' },
    { dims: { M: 3, K: 200 }, fill: filled(200), why: 'the last group is cut' },
    { dims: { M: 9, K: 512 }, fill: filled(512), why: 'whole groups' },
    { dims: { M: 2, K: 64 }, fill: () => 0, why: 'nothing but zeros' },
  ];
}
