import { describe, expect, it } from 'vitest';
import type { Layer } from '../../bench/quality/lpips.ts';
import { convolved, openLpips } from '../../bench/quality/lpips.ts';
import type { Pixels } from '../../bench/quality/metrics.ts';
import {
  Comparison,
  decibels,
  meanSquaredError,
  structuralSimilarity,
} from '../../bench/quality/metrics.ts';
import { seeded } from '../../src/engine/kernels/case.ts';

const [width, height] = [40, 32];
const picture = (value: (x: number, y: number, c: number) => number, channels = 4): Pixels => ({
  ...{ width, height, channels },
  data: Float32Array.from({ length: width * height * channels }, (_, i) => {
    const [pixel, c] = [Math.floor(i / channels), i % channels];
    return value(pixel % width, Math.floor(pixel / width), c);
  }),
});
const waves = picture((x, y, c) => 128 + 90 * Math.sin(x / 3 + c) * Math.cos(y / 4));
const noise = (size: number): Pixels =>
  picture((x, y, c) => {
    const at = (y * width + x) * 4 + c;
    return (waves.data[at] ?? 0) + size * seeded('noise', at);
  });

describe('peak signal-to-noise ratio', () => {
  it('follows its definition, over three channels of pictures with four or three', () => {
    const brighter = picture((x, y, c) => (waves.data[(y * width + x) * 4 + c] ?? 0) + 5, 3);
    expect(meanSquaredError(waves, brighter)).toBeCloseTo(25, 4);
    expect(decibels(25)).toBeCloseTo(34.1514, 4);
    expect(decibels(0)).toBe(Infinity);
  });

  it('refuses pictures of two sizes', () => {
    expect(() => meanSquaredError(waves, { ...waves, width: 20 })).toThrow(RangeError);
  });
});

describe('structural similarity', () => {
  it('is 1 for the same picture, falls with noise, and is what the formula says for flat ones', () => {
    expect(structuralSimilarity(waves, waves)).toBeCloseTo(1, 12);
    const [little, much] = [10, 60].map((size) => structuralSimilarity(waves, noise(size)));
    expect(little).toBeLessThan(1);
    expect(much).toBeLessThan(little ?? 0);
    const [a, b] = [100, 120];
    const flat = structuralSimilarity(
      picture(() => a),
      picture(() => b),
    );
    const c1 = (0.01 * 255) ** 2;
    expect(flat).toBeCloseTo((2 * a * b + c1) / (a * a + b * b + c1), 9);
  });

  it('looks at brightness, not at colours that are equally bright', () => {
    const red = picture((_x, _y, c) => [200, 50, 50, 255][c] ?? 0);
    const other = picture((_x, _y, c) => [50, 50 + (0.299 * 150) / 0.587, 50, 255][c] ?? 0);
    expect(structuralSimilarity(red, other)).toBeCloseTo(1, 6);
  });
});

describe('two videos', () => {
  it('are compared frame by frame, the worst one told', () => {
    const both = new Comparison();
    both.add(waves, waves);
    both.add(waves, noise(40));
    const { frames, psnr, worstPsnr, ssim, worstSsim, lpips } = both.likeness;
    expect([frames, lpips]).toEqual([2, undefined]);
    expect(worstPsnr).toBeCloseTo(psnr - 10 * Math.log10(2), 6);
    expect(worstSsim).toBeCloseTo(2 * ssim - 1, 9);
    expect(() => new Comparison().likeness).toThrow(RangeError);
  });
});

/** A convolution as its definition is written. */
function plain(x: (c: number, y: number, x: number) => number, layer: Layer, size: number) {
  const { weight, bias, outs, ins, side, stride, padding } = layer;
  const out = Math.floor((size + 2 * padding - side) / stride) + 1;
  const values: number[] = [];
  for (let o = 0; o < outs; o++) {
    for (let row = 0; row < out; row++) {
      for (let column = 0; column < out; column++) {
        let sum = bias[o] ?? 0;
        for (let k = 0; k < ins * side * side; k++) {
          const [i, ky, kx] = [Math.floor(k / side ** 2), Math.floor(k / side) % side, k % side];
          const [y, z] = [row * stride + ky - padding, column * stride + kx - padding];
          const inside = y >= 0 && z >= 0 && y < size && z < size;
          if (inside) sum += (weight[o * ins * side * side + k] ?? 0) * x(i, y, z);
        }
        values.push(Math.max(0, sum));
      }
    }
  }
  return values;
}

describe('the learned distance', () => {
  it.each([
    [11, 4, 2, 23],
    [5, 1, 2, 7],
    [3, 1, 1, 6],
  ])('convolves with %i taps, %i apart, padded by %i', (side, stride, padding, size) => {
    const [outs, ins] = [2, 3];
    const random = (name: string, length: number): Float32Array =>
      Float32Array.from({ length }, (_, i) => seeded(name, i));
    const weight = random('w', outs * ins * side * side);
    const layer = { weight, bias: random('b', outs), outs, ins, side, stride, padding };
    const data = random('x', ins * size * size);
    const ours = convolved({ channels: ins, width: size, height: size, data }, layer);
    const theirs = plain((c, y, x) => data[(c * size + y) * size + x] ?? 0, layer, size);
    expect(ours.data.length).toBe(theirs.length);
    theirs.forEach((value, i) => expect(ours.data[i]).toBeCloseTo(value, 4));
  });

  it('is 0 for the same picture, grows with noise, and names what is missing of its weights', async () => {
    const shapes: Record<string, number[]> = {
      ...{ 'features.0.weight': [4, 3, 11, 11], 'features.3.weight': [5, 4, 5, 5] },
      ...{ 'features.6.weight': [6, 5, 3, 3], 'features.8.weight': [5, 6, 3, 3] },
      ...{ 'features.10.weight': [4, 5, 3, 3], 'features.0.bias': [4], 'features.3.bias': [5] },
      ...{ 'features.6.bias': [6], 'features.8.bias': [5], 'features.10.bias': [4] },
      ...Object.fromEntries(
        [4, 5, 6, 5, 4].map((n, i) => [`lin${i}.model.1.weight`, [1, n, 1, 1]]),
      ),
    };
    const read = async (name: string) => {
      const shape = shapes[name];
      const length = shape?.reduce((a, b) => a * b, 1) ?? 0;
      const values = Float32Array.from({ length }, (_, i) => Math.abs(seeded(name, i)) / 10);
      return shape && { shape, values };
    };
    const large = (pixels: Pixels): Pixels => ({
      ...{ width: 2 * width, height: 2 * height, channels: 4 },
      data: Float32Array.from({ length: 16 * width * height }, (_, i) => {
        const [pixel, c] = [Math.floor(i / 4), i % 4];
        const [x, y] = [pixel % (2 * width), Math.floor(pixel / (2 * width))];
        return pixels.data[((y >> 1) * width + (x >> 1)) * 4 + c] ?? 0;
      }),
    });
    const distance = await openLpips(read);
    const [little, much] = [5, 80].map((size) => distance(large(waves), large(noise(size))));
    expect(distance(large(waves), large(waves))).toBe(0);
    expect(little).toBeGreaterThan(0);
    expect(much).toBeGreaterThan(little ?? 0);
    delete shapes['lin3.model.1.weight'];
    await expect(openLpips(read)).rejects.toThrow('lin3.model.1.weight');
  });
});
