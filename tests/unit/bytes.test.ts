import { describe, expect, it } from 'vitest';
import {
  bfloatsToFloats,
  floatsToHalves,
  halvesToFloats,
} from '../../src/engine/weights/convert.ts';

const allHalves = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

/** The value of a half from the definition of binary16. */
function valueOfHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const halfOf = (value: number) => floatsToHalves(new Float32Array([value]))[0];

describe('halves', () => {
  it('decode to the value that binary16 defines, all 65,536', () => {
    const floats = halvesToFloats(allHalves);
    expect(allHalves.filter((half) => !Object.is(floats[half], valueOfHalf(half)))).toHaveLength(0);
  });

  it('survive the way to f32 and back, all 65,536, NaN as some NaN', () => {
    const back = floatsToHalves(halvesToFloats(allHalves));
    const wrong = allHalves.filter((half) => {
      const bits = back[half] ?? 0;
      return Number.isNaN(valueOfHalf(half)) ? (bits & 0x7fff) <= 0x7c00 : bits !== half;
    });
    expect(wrong).toHaveLength(0);
  });

  it('round to nearest, ties to even, between all neighbours of both signs', () => {
    const wrong: number[] = [];
    for (const sign of [1, -1]) {
      for (let half = 0; half < 0x7bff; half++) {
        const low = valueOfHalf(half);
        const high = valueOfHalf(half + 1);
        const middle = (low + high) / 2; // exact in f32: halves have 11 bits
        const step = (high - low) * 2 ** -12;
        const around = Float32Array.of(middle - step, middle, middle + step).map((v) => sign * v);
        const signBit = sign < 0 ? 0x8000 : 0;
        const want = [half, half & 1 ? half + 1 : half, half + 1].map((bits) => signBit | bits);
        if (floatsToHalves(around).some((bits, i) => bits !== want[i])) wrong.push(half);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('overflow to infinity from 65520 on, or clamp to 65504 when asked', () => {
    const values = new Float32Array([65519.996, 65520, -65520, 1e30, Infinity, -Infinity]);
    const back = (mode: 'infinity' | 'clamp') => [...halvesToFloats(floatsToHalves(values, mode))];
    expect(back('infinity')).toEqual([65504, Infinity, -Infinity, Infinity, Infinity, -Infinity]);
    expect(back('clamp')).toEqual([65504, 65504, -65504, 65504, 65504, -65504]);
    expect(halvesToFloats(floatsToHalves(new Float32Array([NaN]), 'clamp'))[0]).toBeNaN();
  });

  it('flush what is at or below half of the smallest subnormal, keeping the sign', () => {
    expect(halfOf(2 ** -25)).toBe(0);
    expect(halfOf(-(2 ** -25))).toBe(0x8000);
    expect(halfOf(2 ** -25 * (1 + 2 ** -20))).toBe(1);
    expect(halfOf(2 ** -149)).toBe(0);
  });
});

describe('bfloats', () => {
  it('decode to the upper half of an f32, all 65,536', () => {
    const floats = bfloatsToFloats(allHalves);
    const view = new DataView(new ArrayBuffer(4));
    const wrong = allHalves.filter((word) => {
      view.setUint16(2, word, true);
      return !Object.is(floats[word], view.getFloat32(0, true));
    });
    expect(wrong).toHaveLength(0);
  });
});
