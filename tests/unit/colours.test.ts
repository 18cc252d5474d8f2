import { describe, expect, it } from 'vitest';
import { coloursOf, coloursOnWhite, pixelsOf } from '../../src/engine/image/colours.ts';

const size = { width: 2, height: 1 };
const rgba = { ...size, channels: 4, data: Uint8ClampedArray.of(0, 51, 255, 255, 255, 102, 0, 0) };

describe('colours of a picture', () => {
  it('reach from the value of black to 1, whatever is transparent', () => {
    expect([...coloursOf(rgba, 0).data]).toEqual([0, 0.2, 1, 1, 0.4, 0].map(Math.fround));
    expect([...coloursOf(rgba, -1).data]).toEqual([-1, -0.6, 1, 1, -0.2, -1].map(Math.fround));
    const rgb = { ...size, channels: 3, data: Uint8ClampedArray.of(0, 51, 255, 255, 102, 0) };
    expect(coloursOf(rgb, 0)).toEqual(coloursOf(rgba, 0));
  });

  it('stand on white where they are to', () => {
    const half = { ...size, channels: 4, data: Uint8ClampedArray.of(0, 0, 0, 51, 9, 9, 9, 0) };
    expect([...coloursOnWhite(half).data]).toEqual([0.8, 0.8, 0.8, 1, 1, 1].map(Math.fround));
  });

  it('become opaque pixels again, held to what pixels hold', () => {
    expect([...pixelsOf(coloursOf(rgba, 0).data)]).toEqual([0, 51, 255, 255, 255, 102, 0, 255]);
    expect([...pixelsOf(Float32Array.of(-1, 0.5, 2))]).toEqual([0, 128, 255, 255]);
  });
});
