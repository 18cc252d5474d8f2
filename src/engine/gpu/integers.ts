/**
 * Small integers in memory: the layout of tensors stored as `i8` or `i4`, sixteen bytes at a time.
 *
 *   i8    sixteen values in a row of 16 bytes, two's complement, in order
 *   i4    thirty-two values in 16 bytes. A word of four bytes holds values 0 … 7: byte j has value j in its low half
 *         and value j + 4 in its high half, each with 8 added. So `word & 0x0f0f0f0f` and `(word >> 4) & 0x0f0f0f0f`
 *         are four neighbours each, in order.
 *
 * Rows are padded with the value 0 to whole 16 bytes. What the integers mean is said by scales that stand beside
 * them; see kernels/quantisation.ts. `i4x64` is `i4` with one scale for sixty-four values in place of thirty-two.
 */

export type IntegerType = 'i8' | 'i4' | 'i4x64';

/** Whether values of a storage type are small integers. */
export const isIntegerType = (dtype: string): dtype is IntegerType =>
  dtype === 'i8' || dtype === 'i4' || dtype === 'i4x64';

/** Values in 16 bytes. */
export const integersPer16 = (dtype: IntegerType): number => (dtype === 'i8' ? 16 : 32);

/** Values are -range … range - 1. */
export const rangeOf = (dtype: IntegerType): number => (dtype === 'i8' ? 128 : 8);

/** Values along the last axis that share a scale; Infinity = the whole row. */
export const groupOf = (dtype: IntegerType): number =>
  dtype === 'i8' ? Infinity : dtype === 'i4' ? 32 : 64;

/** Scales of a row of `length` values. */
export const scalesPerRow = (dtype: IntegerType, length: number): number =>
  dtype === 'i8' ? 1 : Math.ceil(length / groupOf(dtype));

/** Bits that a value takes in a long row, its share of the scale counted in. */
export const bitsOf = (dtype: IntegerType): number =>
  (dtype === 'i8' ? 8 : 4) + 16 / groupOf(dtype);

/** Returns integers, padded to whole 16 bytes, as they lie in memory. */
export function packIntegers(
  padded: ArrayLike<number>,
  dtype: IntegerType,
): Uint8Array<ArrayBuffer> {
  if (dtype === 'i8') return new Uint8Array(Int8Array.from(padded).buffer);
  const bytes = new Uint8Array(padded.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const first = Math.floor(i / 4) * 8 + (i % 4);
    bytes[i] = ((padded[first] ?? 0) + 8) | (((padded[first + 4] ?? 0) + 8) << 4);
  }
  return bytes;
}

/** Returns the integers that `bytes` hold, padding included. */
export function unpackIntegers(bytes: ArrayBuffer, dtype: IntegerType): Float32Array {
  if (dtype === 'i8') return Float32Array.from(new Int8Array(bytes));
  const held = new Uint8Array(bytes);
  return Float32Array.from({ length: held.length * 2 }, (_, i) => {
    const byte = held[Math.floor(i / 8) * 4 + (i % 4)] ?? 0;
    return (i % 8 < 4 ? byte & 15 : byte >> 4) - 8;
  });
}
