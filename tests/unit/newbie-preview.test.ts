import { describe, expect, it } from 'vitest';
import { previewOf } from '../../src/engine/models/newbie/preview.ts';

describe('a preview', () => {
  it('is grey where the latent is zero, and brighter and darker to both sides', () => {
    const latent = new Float32Array(3 * 16);
    latent[16 + 6] = 4; // a channel that brightens
    latent[32 + 6] = -400;
    const { width, height, data } = previewOf(latent, { h: 1, w: 3, C: 16 });
    expect([width, height]).toEqual([3, 1]);
    expect([...data].slice(0, 3)).toEqual([0.4953, 0.4824, 0.462].map(Math.fround));
    expect(data[3]).toBeCloseTo(0.4953 + 4 * 0.0268, 6);
    expect([...data].slice(6)).toEqual([0, 0, 0]);
  });
});
