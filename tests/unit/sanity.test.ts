import { describe, expect, it } from 'vitest';
import { blockMeans, decibels } from '../../src/app/trust/block-means.ts';
import reference from '../../src/app/trust/sanity-reference.json' with { type: 'json' };
import { compared } from '../../src/app/trust/sanity.ts';

const stored = reference.frames.flatMap((text) => [...Buffer.from(text, 'base64')]);

describe('the sanity check', () => {
  it('has the frames of its settings', () => {
    const { width, height } = reference.settings.size;
    expect(reference.frames).toHaveLength(reference.settings.frames);
    expect(stored).toHaveLength((reference.settings.frames * 3 * width * height) / 64);
    // They move: the picture alone would not do.
    const length = stored.length / reference.frames.length;
    expect(decibels(stored.slice(0, length), stored.slice(-length))).toBeLessThan(32);
  });

  it('takes what differs by a codec, and refuses what was computed wrongly', () => {
    expect(compared(stored)).toEqual({ decibels: 60, matches: true });
    const noisy = stored.map((value, i) => value + ((i * 37) % 5) - 2);
    expect(compared(noisy).matches).toBe(true);
    const length = stored.length / reference.frames.length;
    const still = reference.frames.flatMap(() => stored.slice(0, length));
    expect(compared(still).matches).toBe(false);
    expect(compared(stored.slice(1))).toEqual({ decibels: 0, matches: false });
  });

  it('reads a frame in blocks', () => {
    const rgba = Uint8ClampedArray.from({ length: 4 * 16 * 8 }, (_, i) =>
      Math.floor(i / 4) % 16 < 8 ? 10 * (i % 4) : 200,
    );
    expect([...blockMeans(rgba, 16, 8)]).toEqual([0, 10, 20, 200, 200, 200]);
  });
});
