/** Weight matrices stored as small integers, in the kernels that multiply by them: shapes, reference and cases. */
import type { IntegerType } from '../gpu/integers.ts';
import { bitsOf, isIntegerType, rangeOf, scalesPerRow } from '../gpu/integers.ts';
import type { Shape } from '../gpu/tensor.ts';
import { seeded } from './case.ts';
import type { Arrays, Case, Dims, Values } from './kernel.ts';
import { dequantiseValues } from './quantisation.ts';

export const INTEGER_TYPES = ['i8', 'i4', 'i4x64'] as const;

/** Returns the shape of the scales beside a weight [N, K]; `scales` is the number of them in a row. */
export const scaleShape = ({ N = 1, scales = 1 }: Dims): Shape => [N, scales];

/** Returns the values [N, K] of a case's weight, for references: `W_TYPE` among the values says how it is stored. */
export function weightValues(
  { w = new Float32Array(), scale }: Arrays,
  { K = 1 }: Dims,
  values: Values,
): Float32Array {
  const type = String(values['W_TYPE'] ?? 'plain');
  return isIntegerType(type) && scale ? dequantiseValues({ q: w, scale }, K, type) : w;
}

/** Returns `test`, a case without scales, with its weight stored as `type`. */
export function quantisedCase(test: Case, type: IntegerType): Case {
  const { K = 1 } = test.dims;
  const range = rangeOf(type);
  return {
    ...test,
    dims: { ...test.dims, scales: scalesPerRow(type, K), weightBits: bitsOf(type) },
    values: { ...test.values, W_TYPE: type },
    stored: { ...test.stored, w: type },
    absent: (test.absent ?? []).filter((name) => name !== 'scale'),
    fill: (name, i) =>
      name === 'w'
        ? Math.min(Math.round(seeded(name, i) * range), range - 1)
        : (test.fill ?? seeded)(name, i),
    why: `${test.why}, ${type} weights`,
  };
}
