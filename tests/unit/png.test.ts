import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pngOf } from '../../scripts/lib/png.ts';

describe('a PNG', () => {
  it('holds the size and every pixel, rounded to 8 bits', () => {
    const data = Float32Array.of(0, 0.5, 1, 2, -1, 0.25);
    const file = Buffer.from(pngOf({ width: 2, height: 1, channels: 3, data }));
    expect(file.subarray(1, 4).toString()).toBe('PNG');
    expect([file.readUInt32BE(16), file.readUInt32BE(20)]).toEqual([2, 1]);
    const at = file.indexOf('IDAT');
    const pixels = inflateSync(file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4)));
    expect([...pixels]).toEqual([0, 0, 128, 255, 255, 0, 64]);
  });
});
