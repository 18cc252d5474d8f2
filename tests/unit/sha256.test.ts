import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hexOf, Sha256 } from '../../src/engine/weights/sha256.ts';

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 13);
const want = (part: Uint8Array): string => createHash('sha256').update(part).digest('hex');

describe('sha-256', () => {
  it('agrees with Node at every length around the block size', () => {
    for (let length = 0; length < 200; length++) {
      const part = bytes.subarray(0, length);
      expect(hexOf(new Sha256().update(part).digest())).toBe(want(part));
    }
    expect(hexOf(new Sha256().update(bytes).digest())).toBe(want(bytes));
  });

  it('does not care how the bytes are cut, nor where they lie in their buffer', () => {
    const hash = new Sha256();
    let at = 0;
    for (let step = 1; at < bytes.length; step = (step * 7) % 1009) {
      hash.update(bytes.subarray(at, at + step));
      at += step;
    }
    expect(hexOf(hash.digest())).toBe(want(bytes));
  });

  it('goes on where it was saved, at whole blocks alone', () => {
    const first = new Sha256().update(bytes.subarray(0, 6400));
    const saved = first.save();
    if (!saved) throw new Error('nothing saved');
    const second = Sha256.resume(saved, first.bytes).update(bytes.subarray(6400));
    expect(hexOf(second.digest())).toBe(want(bytes));
    expect(new Sha256().update(bytes.subarray(0, 65)).save()).toBeUndefined();
  });
});
