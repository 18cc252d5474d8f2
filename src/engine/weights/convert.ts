/** Conversions between the number formats that weights are stored in. Plain bit arithmetic, no device needed. */

/** What becomes of a value beyond the range of f16: infinity, as IEEE 754 says, or the largest finite half. */
export type HalfOverflow = 'infinity' | 'clamp';

const LARGEST_HALF = 0x7bff;
const HALF_INFINITY = 0x7c00;

/** Returns the f16 bits nearest to the f32 with bits `bits` (ties to even; NaN stays NaN). */
function halfBitsOfFloatBits(bits: number, overflow: HalfOverflow = 'infinity'): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) {
    return sign | (overflow === 'clamp' ? LARGEST_HALF : HALF_INFINITY); // 65520 and above
  }
  if (magnitude >= 0x38800000) {
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  if (magnitude <= 0x33000000) return sign; // 2^-25 lies halfway to the smallest half: even is zero
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23); // the unit of subnormal halves is 2^-24
  const whole = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const halfway = 1 << (shift - 1);
  return sign | (rest > halfway || (rest === halfway && (whole & 1) === 1) ? whole + 1 : whole);
}

/** Returns the f32 bits of the f16 `half`: every half is exact in f32. */
export function floatBitsOfHalfBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  const shift = Math.clz32(mantissa) - 21; // moves the leading one to bit 10
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}

let halfTable: Uint32Array | undefined;

/** The f32 bits of all 65,536 halves, built on first use (256 kB). */
function floatBitsByHalf(): Uint32Array {
  halfTable ??= Uint32Array.from({ length: 0x10000 }, (_, half) => floatBitsOfHalfBits(half));
  return halfTable;
}

const bitsOf = (floats: Float32Array): Uint32Array =>
  new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** Returns the f16 bits of every value of `floats`, rounded to nearest even. */
export function floatsToHalves(
  floats: Float32Array,
  overflow: HalfOverflow = 'infinity',
): Uint16Array<ArrayBuffer> {
  const bits = bitsOf(floats);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < halves.length; i++) halves[i] = halfBitsOfFloatBits(bits[i] ?? 0, overflow);
  return halves;
}

/** Returns the values of f16 `halves`, exactly. */
export function halvesToFloats(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const table = floatBitsByHalf();
  const floats = new Float32Array(halves.length);
  const bits = bitsOf(floats);
  for (let i = 0; i < bits.length; i++) bits[i] = table[halves[i] ?? 0] ?? 0;
  return floats;
}

/** Returns the values of rows of `width` f16, each of which is padded to `pitch`. */
export function unpaddedHalves(
  halves: Uint16Array,
  width: number,
  pitch: number,
): Float32Array<ArrayBuffer> {
  const table = floatBitsByHalf();
  const floats = new Float32Array((halves.length / pitch) * width);
  const bits = bitsOf(floats);
  for (let from = 0, to = 0; from < halves.length; from += pitch)
    for (let c = 0; c < width; c++) bits[to++] = table[halves[from + c] ?? 0] ?? 0;
  return floats;
}

/** Returns the values of bf16 `words`, exactly: a bf16 is the upper half of an f32. */
export function bfloatsToFloats(words: Uint16Array): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(words.length);
  const bits = bitsOf(floats);
  for (let i = 0; i < bits.length; i++) bits[i] = (words[i] ?? 0) << 16;
  return floats;
}
