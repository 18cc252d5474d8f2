import { describe, expect, it } from 'vitest';
import { pinFirst } from '../../src/engine/video/pin-first.ts';

describe('a pinned first frame', () => {
  const picture = Uint8ClampedArray.of(10, 200, 30, 255);
  const painted = (): Uint8ClampedArray => Uint8ClampedArray.of(22, 194, 30, 255);

  it('is the picture itself, and what it differed by fades out', () => {
    const pin = pinFirst(picture);
    const frames = Array.from({ length: 8 }, (_, i) => {
      const frame = painted();
      pin(frame, i);
      return [...frame];
    });
    expect(frames[0]).toEqual([...picture]);
    expect(frames[3]).toEqual([16, 197, 30, 255]);
    expect(frames[6]).toEqual([...painted()]);
    expect(frames[7]).toEqual([...painted()]);
  });

  it('changes nothing where the model begins with the picture', () => {
    const pin = pinFirst(picture);
    const next = painted();
    pin(picture.slice(), 0);
    pin(next, 1);
    expect([...next]).toEqual([...painted()]);
  });
});
