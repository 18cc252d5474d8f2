import { describe, expect, it } from 'vitest';
import { normal, philox4x32 } from '../../src/engine/sampling/rng.ts';
import type { Block } from '../../src/engine/sampling/rng.ts';

describe('philox4x32', () => {
  const ones = 0xffffffff;
  const published: [Block, [number, number], Block][] = [
    // known answers of the authors' own distribution (Random123)
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [ones, ones, ones, ones],
      [ones, ones],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  it.each(published)('gives the published answer for %j under %j', (counter, key, want) => {
    expect(philox4x32(counter, key)).toEqual(want);
  });
});

describe('normal', () => {
  it('gives the values worked out apart with library logarithms and cosines', () => {
    const close = (got: Float32Array, want: number[]) =>
      want.forEach((value, i) => expect(got[i]).toBe(Math.fround(value)));
    close(
      normal(42, 7, 10),
      [
        0.17509813796925047, -1.3312526841484527, 0.33546232404518334, 1.2666517707492428,
        -0.0006843323451663089, 0.46406254724100765, 1.0233739643535964, 0.32580673925646025,
        0.7531900236440612, -1.8180326329439318,
      ],
    );
    close(
      normal(2 ** 40 + 5, 0, 4),
      [1.409319627335461, 0.0997998172098665, 1.5830878888085018, -0.8995298341825921],
    );
  });

  it('has the moments and the tails of a normal distribution', () => {
    const values = normal(1, 0, 400_000);
    const mean = (f: (value: number) => number) =>
      values.reduce((total, value) => total + f(value), 0) / values.length;
    // bounds: five standard errors
    expect(Math.abs(mean((v) => v))).toBeLessThan(0.008);
    expect(Math.abs(mean((v) => v ** 2) - 1)).toBeLessThan(0.0112);
    expect(Math.abs(mean((v) => v ** 3))).toBeLessThan(0.031);
    expect(Math.abs(mean((v) => v ** 4) - 3)).toBeLessThan(0.078);
    expect(Math.abs(mean((v) => (v > 2 ? 1 : 0)) - 0.02275)).toBeLessThan(0.0012);
    expect(Math.abs(mean((v) => (v < -3 ? 1 : 0)) - 0.00135)).toBeLessThan(0.0003);
  });

  it('begins alike for every count, and differs between seeds and streams', () => {
    const long = normal(5, 1, 1001);
    for (const count of [0, 1, 2, 3, 4, 5, 1000]) {
      expect(normal(5, 1, count)).toEqual(long.slice(0, count));
      const first = 4 * Math.floor(count / 8);
      expect(normal(5, 1, count - first, first)).toEqual(long.slice(first, count));
    }
    const correlation = (other: Float32Array) =>
      long.reduce((total, value, i) => total + value * (other[i] ?? 0), 0) / long.length;
    expect(Math.abs(correlation(normal(5, 2, 1001)))).toBeLessThan(0.16);
    expect(Math.abs(correlation(normal(6, 1, 1001)))).toBeLessThan(0.16);
    expect(Math.abs(correlation(normal(5 + 2 ** 32, 1, 1001)))).toBeLessThan(0.16);
    expect(correlation(long)).toBeGreaterThan(0.8);
  });

  it.each([-1, 0.5, NaN, 2 ** 53])('refuses seed %d', (seed) => {
    expect(() => normal(seed, 0, 1)).toThrow(expect.objectContaining({ code: 'sampling/seed' }));
  });
});
