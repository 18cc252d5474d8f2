import { describe, expect, it } from 'vitest';
import { outputSize, resolveSettings } from '../../src/engine/settings.ts';

describe('settings', () => {
  it('come from the preset where nothing else is said', () => {
    expect(resolveSettings()).toMatchObject({ preset: 'standard', frames: 49, fps: 24, seed: 0 });
    expect(resolveSettings({ preset: 'preview', steps: 2 })).toMatchObject({
      frames: 25,
      steps: 2,
    });
  });

  it.each([
    [{ frames: 1 }, 'settings/frames'],
    [{ frames: 10.5 }, 'settings/frames'],
    [{ steps: 0 }, 'settings/steps'],
    [{ motion: 1.01 }, 'settings/motion'],
    [{ motion: NaN }, 'settings/motion'],
    [{ seed: -1 }, 'settings/seed'],
    [{ fps: 0 }, 'settings/fps'],
    [{ size: { width: 0, height: 0 } }, 'settings/size'],
    [{ size: { width: 642, height: 480 } }, 'settings/size'],
    [{ size: { width: 20_000, height: 64 } }, 'settings/size'],
    [{ prompt: 'a'.repeat(1001) }, 'settings/prompt'],
    [{ preset: 'best' as 'high' }, 'settings/preset'],
    [{ precision: 'f64' as 'f32' }, 'settings/precision'],
    [{ weights: 'w4a4' as 'w8a8' }, 'settings/weights'],
  ])('refuse %o', (given, code) => {
    expect(() => resolveSettings(given)).toThrow(expect.objectContaining({ code }));
  });

  it('keep the aspect at the long side of the preset, and enlarge only tiny pictures', () => {
    const settings = resolveSettings();
    expect(outputSize({ width: 3000, height: 2000 }, settings)).toEqual({
      width: 768,
      height: 512,
    });
    expect(outputSize({ width: 2000, height: 3000 }, settings)).toEqual({
      width: 512,
      height: 768,
    });
    expect(outputSize({ width: 320, height: 200 }, settings)).toEqual({ width: 320, height: 200 });
    expect(outputSize({ width: 1, height: 1 }, settings)).toEqual({ width: 64, height: 64 });
    expect(outputSize({ width: 32, height: 16 }, settings)).toEqual({ width: 128, height: 64 });
  });

  it('take weights of 8 bits alone, with activations of 8 bits, and of 4 bits', () => {
    for (const weights of ['int8', 'w8a8', 'int4'] as const)
      expect(resolveSettings({ weights }).weights).toBe(weights);
  });

  it('take a size as it is asked for', () => {
    const size = { width: 200, height: 100 };
    expect(outputSize({ width: 3000, height: 2000 }, resolveSettings({ size }))).toEqual(size);
  });
});
