/** How weights are stored in files: their sizes and their way to f32. Little-endian, as the formats demand. */
import { blockSize, floatsOfBlocks, isBlockType } from './block-types.ts';
import type { BlockType } from './block-types.ts';
import { bfloatsToFloats, halvesToFloats } from './convert.ts';

/** Element types of safetensors files. */
export type WeightDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U8'
  | 'BOOL';

/** Any way in which a file may hold values: one by one, or in blocks. */
export type StoredDtype = WeightDtype | BlockType;

/** Bytes of one value. */
const BYTES_OF: ReadonlyMap<string, number> = new Map<WeightDtype, number>([
  ['F64', 8],
  ['F32', 4],
  ['F16', 2],
  ['BF16', 2],
  ['F8_E4M3', 1],
  ['F8_E5M2', 1],
  ['I64', 8],
  ['I32', 4],
  ['I16', 2],
  ['I8', 1],
  ['U8', 1],
  ['BOOL', 1],
]);

/** Whether `name` is an element type that this reader knows. */
export const isWeightDtype = (name: unknown): name is WeightDtype =>
  typeof name === 'string' && BYTES_OF.has(name);

/** Bytes of one value of `dtype`. */
export const bytesOfDtype = (dtype: WeightDtype): number => BYTES_OF.get(dtype) ?? 1;

/** Values and bytes of the smallest piece of `dtype` that can be read by itself. */
export const unitOf = (dtype: StoredDtype): { readonly values: number; readonly bytes: number } =>
  isBlockType(dtype) ? blockSize(dtype) : { values: 1, bytes: bytesOfDtype(dtype) };

/** Number of values in `bytes` bytes of `dtype`. */
export const valuesIn = (dtype: StoredDtype, bytes: number): number =>
  (bytes / unitOf(dtype).bytes) * unitOf(dtype).values;

/** Whether values of `dtype` are multiplied by scales that the file holds apart. */
export const isScaled = (dtype: StoredDtype): boolean =>
  dtype === 'I8' || dtype === 'F8_E4M3' || dtype === 'F8_E5M2';

/** The value of an E4M3 byte: bias 7, no infinities, NaN at all ones. */
function valueOfE4m3(byte: number): number {
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  const sign = byte & 0x80 ? -1 : 1;
  if ((byte & 0x7f) === 0x7f) return NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -9
    : sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

const valuesOfE4m3 = Float32Array.from({ length: 256 }, (_, byte) => valueOfE4m3(byte));

/** An E5M2 byte is the upper half of an f16. */
const valuesOfE5m2 = halvesToFloats(Uint16Array.from({ length: 256 }, (_, byte) => byte << 8));

/** The values of bytes by a table; plain loops are several times faster than `Float32Array.from` with a function. */
function looked(bytes: Uint8Array, table: Float32Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < values.length; i++) values[i] = table[bytes[i] ?? 0] ?? NaN;
  return values;
}

/**
 * Returns the values of `bytes` (a whole number of units) as f32. f16, bf16, 8-bit and 16-bit integers are exact;
 * f64 and the longer integers are rounded to nearest.
 */
export function floatsOfBytes(dtype: StoredDtype, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  if (isBlockType(dtype)) return floatsOfBlocks(dtype, bytes);
  const size = bytesOfDtype(dtype);
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset } = aligned;
  const count = Math.floor(bytes.byteLength / size);
  switch (dtype) {
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, count));
    case 'F32':
      return new Float32Array(new Float32Array(buffer, byteOffset, count));
    case 'F16':
      return halvesToFloats(new Uint16Array(buffer, byteOffset, count));
    case 'BF16':
      return bfloatsToFloats(new Uint16Array(buffer, byteOffset, count));
    case 'F8_E4M3':
      return looked(aligned, valuesOfE4m3);
    case 'F8_E5M2':
      return looked(aligned, valuesOfE5m2);
    case 'I64':
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
    case 'I32':
      return Float32Array.from(new Int32Array(buffer, byteOffset, count));
    case 'I16':
      return Float32Array.from(new Int16Array(buffer, byteOffset, count));
    case 'I8':
      return Float32Array.from(new Int8Array(buffer, byteOffset, count));
    case 'U8':
    case 'BOOL':
      return Float32Array.from(aligned);
  }
}
