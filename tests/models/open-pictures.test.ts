import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../../src/engine/models/catalog.ts';
import {
  isPictureFolder,
  openPictureFolder,
  pictureNames,
  pictureShape,
} from '../../src/engine/open-pictures.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import json from '../../weights/catalog.json' with { type: 'json' };
import { avatarFiles, filesIn } from '../helpers/avatar-model.ts';
import { newbieFolder } from '../helpers/newbie-model.ts';
import { PAPER_CAPS } from '../helpers/wan-model.ts';

const [id = ''] = pictureNames(json);

describe('models that paint or speak', () => {
  it('are told apart by their folders', async () => {
    const folders = [newbieFolder(), filesIn(avatarFiles())];
    const families = await Promise.all(
      folders.map(async (files) => (await openPictureFolder(files)).family),
    );
    expect(families).toEqual(['newbie', 'live-avatar']);
    expect(folders.map(({ paths = [] }) => isPictureFolder(paths))).toEqual([true, true]);
    expect(isPictureFolder(['transformer/config.json', 'vae/config.json'])).toBe(false);
  });

  it('take what the catalog says, at the size that it recommends, and 28 guided steps of 64 TFLOP', async () => {
    const model = pictureShape(json, id);
    const picture = parseCatalog(json).pictures.find((each) => each.id === id);
    if (!model || !picture) throw new Error('the catalog has no picture model');
    const { width, height, steps } = picture.recommended;
    const GIB = 2 ** 30;
    const caps = { ...PAPER_CAPS, f16: true, maxBindingBytes: 4 * GIB, maxBufferBytes: 4 * GIB };
    const asked = { size: { width, height }, precision: 'f16' } as const;
    const plan = await model.plan(
      { ...asked, settings: resolveSettings({ steps, weights: 'int4' }) },
      caps,
    );
    expect(plan.peakBytes / picture.memoryBytes.int4).toBeGreaterThan(0.8);
    expect(plan.peakBytes / picture.memoryBytes.int4).toBeLessThan(1.1);
    const denoise = plan.stages.find(({ name }) => name === 'denoise');
    const { flops = 0, attentionFlops = 0 } = denoise?.work ?? {};
    expect(denoise?.steps).toBe(28);
    expect((flops + attentionFlops) / 28 / 1e12).toBeGreaterThan(55);
    expect((flops + attentionFlops) / 28 / 1e12).toBeLessThan(75);
    expect(pictureShape(json, 'nothing')).toBeUndefined();
  });
});
