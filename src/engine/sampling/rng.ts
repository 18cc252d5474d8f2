/**
 * Seeded noise that is bit-equal on every machine: Philox4x32-10 counts instead of stepping, so any part of a
 * stream can be had without the rest, and the way to normal values uses only + − × ÷ √, which IEEE 754 fixes to
 * the last bit. (Math.log and Math.cos may differ between browsers.)
 * Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; Box and Muller 1958.
 */
import { EngineError } from '../gpu/errors.ts';

export type Block = readonly [number, number, number, number];

const ROUNDS = 10;
const WORD = 2 ** 32;

/** The upper 32 bits of the product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow] = [a >>> 16, a & 0xffff];
  const [bHigh, bLow] = [b >>> 16, b & 0xffff];
  const cross = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle = aLow * bHigh + (cross % 65536);
  return (aHigh * bHigh + Math.floor(cross / 65536) + Math.floor(middle / 65536)) >>> 0;
}

/** Returns the four 32-bit words that belong to `counter` under `key`. */
export function philox4x32(counter: Block, key: readonly [number, number]): Block {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(0xd2511f53, a);
    const low0 = Math.imul(0xd2511f53, a) >>> 0;
    const high1 = multiplyHigh(0xcd9e8d57, c);
    const low1 = Math.imul(0xcd9e8d57, c) >>> 0;
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1, (high0 ^ d ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/** ln((k + ½) / 2³²) for a 32-bit word k, to about 1e-15: an atanh series after taking out powers of two. */
function logOfWord(k: number): number {
  const exponent = 32 - Math.clz32(k);
  const scaled = (2 * k + 1) / 2 ** exponent; // 1 … 2, exact
  const halve = scaled > Math.SQRT2 ? 1 : 0;
  const s = halve ? scaled / 2 : scaled;
  const t = (s - 1) / (s + 1);
  let series = 0;
  for (let power = 21; power >= 1; power -= 2) series = series * t * t + 1 / power;
  return 2 * t * series + (exponent + halve - 33) * Math.LN2;
}

/** Cosine and sine of the angle that a 32-bit word picks evenly from the circle, by Taylor series. */
function circlePoint(word: number): readonly [cos: number, sin: number] {
  const quadrant = word >>> 30;
  const theta = (((word & 0x3fffffff) + 0.5) / 2 ** 30 - 0.5) * (Math.PI / 2); // |θ| < π/4
  const square = theta * theta;
  let cos = 0;
  let sin = 0;
  for (let n = 16; n >= 0; n -= 2) {
    cos = 1 - (cos * square) / ((n + 1) * (n + 2));
    sin = 1 - (sin * square) / ((n + 2) * (n + 3));
  }
  sin *= theta;
  if (quadrant === 0) return [cos, sin];
  if (quadrant === 1) return [-sin, cos];
  return quadrant === 2 ? [-cos, -sin] : [sin, -cos];
}

function keyOf(seed: number): readonly [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new EngineError(
      'sampling/seed',
      `seed — got ${seed}, needs a whole number from 0 to 2^53 − 1 — choose another`,
      { have: seed },
    );
  }
  return [seed >>> 0, Math.floor(seed / WORD)];
}

/**
 * Returns `count` standard normal values of stream `stream` (a 32-bit number) of `seed`, from value `first` on, a
 * multiple of four. A longer request begins with the values of a shorter one. Throws `sampling/seed` unless the seed is a
 * whole number below 2^53.
 */
export function normal(
  seed: number,
  stream: number,
  count: number,
  first = 0,
): Float32Array<ArrayBuffer> {
  const key = keyOf(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 4) {
    const block = (first + i) / 4;
    const words = philox4x32([block >>> 0, Math.floor(block / WORD), stream >>> 0, 0], key);
    for (let pair = 0; pair < 4; pair += 2) {
      const radius = Math.sqrt(-2 * logOfWord(words[pair] ?? 0));
      const [cos, sin] = circlePoint(words[pair + 1] ?? 0);
      values[i + pair] = radius * cos; // writes past the end are dropped
      values[i + pair + 1] = radius * sin;
    }
  }
  return values;
}
