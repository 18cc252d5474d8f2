import { describe, expect, it } from 'vitest';
import { imageCondition, toSigned } from '../../src/engine/models/wan/image-condition.ts';
import { checkImage, checkRequest } from '../../src/engine/models/wan/pipeline-request.ts';
import type { WanRequest } from '../../src/engine/models/wan/pipeline-request.ts';

const scale = { time: 4, space: 8, channels: 16, patch: 2 };
const good: WanRequest = {
  ...{ prompt: [5, 1], negativePrompt: [1], width: 48, height: 32, frames: 9 },
  ...{ steps: 4, shift: 3, guidance: 5 },
};

describe('a request to a Wan pipeline', () => {
  it('stands for a latent of one frame and one more for every four', () => {
    expect(checkRequest(good, scale)).toEqual({ F: 3, h: 4, w: 6, C: 16 });
    expect(checkRequest({ ...good, frames: 1 }, scale)).toMatchObject({ F: 1 });
  });

  it.each([
    [{ width: 40 }, 'wan/size', 'multiples of 16'],
    [{ height: 0 }, 'wan/size', 'multiples of 16'],
    [{ height: 32.5 }, 'wan/size', 'multiples of 16'],
    [{ frames: 8 }, 'wan/frames', 'a multiple of 4 plus 1'],
    [{ frames: 0 }, 'wan/frames', 'got 0'],
    [{ steps: 0 }, 'wan/steps', 'got 0'],
    [{ steps: 2.5 }, 'wan/steps', 'got 2.5'],
    [{ prompt: [] }, 'wan/prompt', 'at least the end token'],
    [{ negativePrompt: [3.5] }, 'wan/prompt', 'whole numbers'],
    [{ guidance: NaN }, 'wan/guidance', 'NaN'],
    [{ guidance2: -1 }, 'wan/guidance', '-1'],
    [{ boundary: 1.5 }, 'wan/boundary', '0 to 1'],
    [{ noise: new Float32Array(5) }, 'wan/noise', '1152 values'],
  ] as const)('is refused with %o', (change, code, message) => {
    const refused = expect.objectContaining({ code, message: expect.stringContaining(message) });
    expect(() => checkRequest({ ...good, ...change }, scale)).toThrow(refused);
  });

  it('needs its picture at its own size', () => {
    const picture = { width: 48, height: 32, channels: 3, data: new Float32Array(48 * 32 * 3) };
    expect(checkImage(picture, good)).toBe(picture);
    const refused = expect.objectContaining({ code: 'wan/image' });
    expect(() => checkImage(undefined, good)).toThrow(refused);
    expect(() => checkImage({ ...picture, width: 32 }, good)).toThrow(refused);
    expect(() => checkImage({ ...picture, channels: 4 }, good)).toThrow(refused);
  });
});

describe('the condition of a picture', () => {
  it('has four mask channels, one in the first latent frame and zero after, before the latent', () => {
    const latent = Float32Array.from({ length: 2 * 1 * 2 * 3 }, (_, i) => 10 + i);
    const condition = imageCondition(latent, { F: 2, h: 1, w: 2, C: 3 });
    const rows = [
      [1, 1, 1, 1, 10, 11, 12],
      [1, 1, 1, 1, 13, 14, 15],
      [0, 0, 0, 0, 16, 17, 18],
      [0, 0, 0, 0, 19, 20, 21],
    ];
    expect([...condition]).toEqual(rows.flat());
  });

  it('marks the last of the four frames that the last latent frame stands for when it is known', () => {
    const condition = imageCondition(new Float32Array(3), { F: 3, h: 1, w: 1, C: 1 }, true);
    expect([...condition]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  });

  it('goes into the autoencoder as values in -1..1', () => {
    expect([...toSigned([0, 0.5, 1])]).toEqual([-1, 0, 1]);
  });
});
