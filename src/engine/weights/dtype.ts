/** Element types of safetensors files: their sizes and their way to f32. Little-endian, as the format demands. */
import { bfloatsToFloats, halvesToFloats } from './convert.ts';

export type WeightDtype =
  'F64' | 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** Bytes of one value. */
const BYTES_OF: ReadonlyMap<string, number> = new Map<WeightDtype, number>([
  ['F64', 8],
  ['F32', 4],
  ['F16', 2],
  ['BF16', 2],
  ['F8_E4M3', 1],
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

/**
 * Returns the values of `bytes` (a whole number of them) as f32. f16, bf16, 8-bit and 16-bit integers are exact;
 * f64 and the longer integers are rounded to nearest.
 */
export function floatsOfBytes(dtype: WeightDtype, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const size = bytesOfDtype(dtype);
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
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
      return Float32Array.from(aligned, valueOfE4m3);
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
