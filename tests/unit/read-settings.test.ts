import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkedSettings, settingsOf } from '../../src/app/output/read-settings.ts';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { resolveSettings } from '../../src/engine/settings.ts';

describe('settings in a file', () => {
  it('come back whole, with the model', () => {
    const settings = resolveSettings({
      ...{ prompt: '海浪', seed: 5, motion: 0.25, camera: 'pan left', loop: true },
      ...{ preset: 'high', size: { width: 640, height: 384 }, guidance: 4, weights: 'int8' },
    });
    const text = JSON.stringify({ model: 'wan2.2-ti2v-5b', ...settings });
    expect(checkedSettings(text)).toEqual({ settings, model: 'wan2.2-ti2v-5b' });
  });

  it('are taken by name and kind, and by nothing else', () => {
    const text = `{"seed": 3, "prompt": 7, "__proto__": {"steps": 9}, "constructor": 1, "loop": "yes"}`;
    expect(checkedSettings(text)).toEqual({ settings: { seed: 3 } });
    expect(checkedSettings('{"seed": 3, "model": "<script>"}')).toEqual({ settings: { seed: 3 } });
  });

  it.each([
    ['settings/none', ''],
    ['settings/none', 'null'],
    ['settings/none', '[1]'],
    ['settings/none', '{}'],
    ['settings/none', '{"other": 1}'],
    ['settings/seed', '{"seed": -1}'],
    ['settings/frames', '{"frames": 1e9}'],
    ['settings/preset', '{"preset": "constructor"}'],
    ['settings/size', '{"size": {"width": 1e6, "height": 64}}'],
    ['settings/prompt', JSON.stringify({ prompt: 'x'.repeat(1001) })],
  ])('are refused: %s for %s', (code, text) => {
    expect(() => checkedSettings(text)).toThrow(expect.objectContaining({ code }));
  });

  it('of a stranger can be used as they are, or give a typed error', () => {
    const names = fc.constantFrom(
      ...['prompt', 'preset', 'frames', 'size', 'steps', 'motion', 'camera', 'loop', 'seed'],
      ...['fps', 'precision', 'guidance', 'shift', 'weights', 'model', '__proto__', 'toString'],
    );
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.double(),
      fc.integer({ min: 0, max: 100 }),
      fc.constantFrom('preview', 'high', 'auto', 'f16', 'int4'),
      fc.record({ width: fc.nat(2000), height: fc.nat(2000) }),
    );
    const outcomes = new Map<string, number>();
    fc.assert(
      fc.property(fc.dictionary(names, values, { maxKeys: 4 }), fc.string(), (found, tail) => {
        const text = JSON.stringify(found) + (tail.length > 8 ? tail : '');
        let outcome = 'taken';
        try {
          const { settings } = checkedSettings(text);
          expect(resolveSettings(settings)).toMatchObject(settings);
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          expect(error.code).toMatch(/^settings\/[a-z]+$/);
          outcome = error.code;
        }
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }),
      { numRuns: 5000, seed: 3 },
    );
    expect(outcomes.get('taken')).toBeGreaterThan(100);
    expect(outcomes.get('settings/none')).toBeGreaterThan(100);
    expect(outcomes.size).toBeGreaterThan(6);
  });

  it('are looked for in files of ours alone', async () => {
    await expect(settingsOf(new Blob(['hello, this is a letter']))).rejects.toMatchObject({
      code: 'video/unknown',
    });
    await expect(settingsOf(new Blob([]))).rejects.toMatchObject({ code: 'video/unknown' });
  });
});
