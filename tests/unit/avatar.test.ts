import { describe, expect, it } from 'vitest';
import {
  atMiddleRate,
  atVideoRate,
  clipsOf,
  mixOf,
  normaliseSound,
} from '../../src/engine/models/live-avatar/audio-features.ts';
import {
  COLUMNS_BEFORE,
  withColumnsBefore,
} from '../../src/engine/models/live-avatar/audio-encoder.ts';
import {
  conditionPositions,
  motionPositions,
  rollingReference,
} from '../../src/engine/models/live-avatar/positions.ts';
import { blocksOfSound, checkAvatarRequest } from '../../src/engine/models/live-avatar/request.ts';
import { avatarSampler } from '../../src/engine/models/live-avatar/schedule.ts';
import { avatarSize, fitPicture } from '../../src/engine/models/live-avatar/size.ts';
import { runOnCpu } from '../../src/engine/sampling/sampler.ts';

describe('the size of an avatar', () => {
  it.each([
    [1920, 1080, 704 * 384, 704, 384],
    [1000, 1000, 704 * 384, 512, 512],
    [900, 1200, 704 * 384, 448, 576],
    [1920, 1080, 720 * 400, 704, 384],
    [900, 1200, 720 * 400, 448, 640],
    [1920, 1080, 384 * 256, 384, 256],
    [512, 512, 384 * 256, 256, 256],
    [100, 120, 704 * 384, 128, 128],
  ])('of %i × %i in %i pixels is %i × %i', (width, height, area, w, h) => {
    expect(avatarSize({ width, height }, area)).toEqual({ width: w, height: h });
  });

  it.each([
    [0, 10],
    [9000, 1],
    [NaN, 10],
  ])('is refused for %d × %d', (width, height) => {
    expect(() => avatarSize({ width, height }, 384 * 256)).toThrow('use a larger size or crop');
  });

  it('keeps the middle of the picture', () => {
    const data = Float32Array.from({ length: 64 * 192 * 3 }, (_, i) => Math.floor(i / 3) % 192);
    const cut = fitPicture(
      { width: 192, height: 64, channels: 3, data },
      { width: 64, height: 64 },
    );
    expect([cut.width, cut.height, cut.data[0], cut.data[3 * 63]]).toEqual([64, 64, 64, 127]);
    const wide = fitPicture(
      { width: 192, height: 64, channels: 3, data },
      { width: 256, height: 64 },
    );
    expect([wide.data[0], wide.data[3 * 32], wide.data[3 * 33], wide.data[3 * 255]]).toEqual([
      0, 0, 1, 0,
    ]);
  });
});

describe('the steps of an avatar', () => {
  it('are those that it was distilled to', () => {
    const { sigmas, timesteps } = avatarSampler(4);
    const want = [1, 0.8576923, 0.60215056, 0.00892857, 0];
    sigmas.forEach((sigma, i) => expect(sigma).toBeCloseTo(want[i] ?? NaN, 7));
    timesteps.forEach((t, i) => expect(t).toBeCloseTo(1000 * (want[i] ?? NaN), 4));
    expect(avatarSampler(3).sigmas[1]).toBeCloseTo(0.7511211, 7);
  });

  it('end at the third when the last is left out, with all of what is left', () => {
    const sampler = avatarSampler(4, true);
    expect(sampler.timesteps).toHaveLength(3);
    const last = runOnCpu(sampler.steps, [1], () => [1]).at(-1)?.[0];
    expect(last).toBeCloseTo(0, 6); // x − (1 − 0) · v
    expect(() => avatarSampler(1, true)).toThrow('needs 2 or more');
  });
});

describe('the places of an avatar', () => {
  it('thin out with age, as numpy spreads them', () => {
    const places = motionPositions({ h: 24, w: 4 });
    expect(places).toHaveLength(24 * 4 + 12 * 2 + 4 * 6);
    const rowsAt = (frame: number) => [
      ...new Set(places.filter(([f]) => f === frame).map(([, row]) => row)),
    ];
    expect(rowsAt(-3)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 23]);
    expect(rowsAt(-19)).toEqual([0, 4, 9, 13, 18, 23]);
    expect([...new Set(places.map(([f]) => f))]).toEqual([-1, -3, -19, -14, -9, -4]);
  });

  it('keep the reference ahead of the stream', () => {
    expect([0, 3, 300].map((first) => rollingReference(first, 30))).toEqual([30, 33, 330]);
    expect([0, 24, 27].map((first) => rollingReference(first, 4))).toEqual([30, 30, 31]);
    expect(conditionPositions({ h: 1, w: 1 }, 40, false)).toEqual([[40, 0, 0]]);
  });
});

describe('what an avatar hears', () => {
  it('is normalised over the whole clip', () => {
    const values = normaliseSound(Float32Array.of(1, 3, 5, 7));
    expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 6);
    expect(values.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 5);
    expect([...normaliseSound(new Float32Array(3))]).toEqual([0, 0, 0]);
  });

  it('comes at 16 columns a second, rounded to even, zero past the end', () => {
    const rows = Float32Array.from({ length: 50 }, (_, i) => i);
    const middle = atMiddleRate(rows, 1);
    expect([middle.length, middle[0], middle[29]]).toEqual([30, 0, 49]);
    expect(clipsOf(30, 12)).toBe(2);
    const columns = atVideoRate(
      Float32Array.from({ length: 30 }, (_, i) => i + 1),
      1,
      12,
    );
    // 1.875 i: 0, 2, 4, 6, 8 (7.5), 9, 11, …
    expect([...columns.subarray(0, 7)]).toEqual([1, 3, 5, 7, 9, 10, 12]);
    expect(columns).toHaveLength(24);
    expect([...columns.subarray(16)]).toEqual(Array.from({ length: 8 }, () => 0));
  });

  it('is mixed with weights that sum to one', () => {
    const mix = mixOf([1, -2, 3]);
    expect(mix.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    const silu = (x: number): number => x / (1 + Math.exp(-x));
    expect((mix[0] ?? NaN) / (mix[2] ?? NaN)).toBeCloseTo(silu(1) / silu(3), 12);
    const columns = withColumnsBefore(Float32Array.of(1, 2, 3, 4), 2);
    expect([...columns.subarray(2 * COLUMNS_BEFORE - 2)]).toEqual([1, 2, 1, 2, 3, 4]);
  });
});

it('an avatar speaks to the block in which its sound ends, and no further than its clips', () => {
  const image = { width: 64, height: 64, channels: 3, data: new Float32Array(64 * 64 * 3) };
  const sound = { sampleRate: 16_000, channels: [new Float32Array(16_000)] };
  const request = (num_clip: number) =>
    checkAvatarRequest({ prompt: [1], image, sound, num_clip, infer_frames: 24, size: '64*64' });
  expect(blocksOfSound(1, 9, request(9))).toBe(2);
  expect(blocksOfSound(0.75, 9, request(9))).toBe(1);
  expect(blocksOfSound(300, 9, request(2))).toBe(4);
  expect(blocksOfSound(300, 201, request(10_000))).toBe(400);
});
