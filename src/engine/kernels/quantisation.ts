/**
 * How values become small integers with scales, in plain loops: the reference of the kernels that do it.
 *
 *   S = -(the value of largest magnitude in a group), rounded to f16      L = 128 (i8) or 8 (i4)
 *   q = clamp(round(x L / S), -L, L - 1)                                  x ≈ q / L · S
 *
 * The scale is the magnitude itself and not the step between two integers, which may be too small for f16. Its sign
 * makes the largest value exactly -L, so that all 2 L integers serve: an error a tenth smaller than with ±(L - 1).
 */
import type { IntegerType } from '../gpu/integers.ts';
import { groupOf, rangeOf, scalesPerRow } from '../gpu/integers.ts';
import { floatsToHalves, halvesToFloats } from '../weights/convert.ts';

export type Quantised = {
  /** Integers [rows, length]. */
  readonly q: Float32Array;
  /** [rows, groups], each a value of f16. */
  readonly scale: Float32Array;
};

/** Returns rows of `length` values as integers and scales. */
export function quantiseValues(
  values: Float32Array,
  length: number,
  dtype: IntegerType,
): Quantised {
  const rows = values.length / length;
  const groups = scalesPerRow(dtype, length);
  const range = rangeOf(dtype);
  const q = new Float32Array(values.length);
  const scale = new Float32Array(rows * groups);
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < groups; group++) {
      const first = row * length + (groups === 1 ? 0 : group * groupOf(dtype));
      const end = groups === 1 ? first + length : first + groupOf(dtype);
      const last = Math.min(end, (row + 1) * length);
      let largest = 0;
      for (let i = first; i < last; i++)
        if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
      const s = toHalf(-largest);
      scale[row * groups + group] = s;
      if (s === 0) continue;
      for (let i = first; i < last; i++)
        q[i] = Math.min(Math.max(Math.round((values[i]! * range) / s), -range), range - 1);
    }
  }
  return { q, scale };
}

/** Returns the values that integers and scales stand for. */
export function dequantiseValues(
  { q, scale }: Quantised,
  length: number,
  dtype: IntegerType,
): Float32Array<ArrayBuffer> {
  const groups = scalesPerRow(dtype, length);
  return Float32Array.from(q, (value, i) => {
    const group = groups === 1 ? 0 : Math.floor((i % length) / groupOf(dtype));
    return (value / rangeOf(dtype)) * scale[Math.floor(i / length) * groups + group]!;
  });
}

const toHalf = (value: number): number =>
  halvesToFloats(floatsToHalves(Float32Array.of(value), 'clamp'))[0]!;
