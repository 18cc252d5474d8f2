import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../../src/engine/models/catalog.ts';
import {
  isPictureFolder,
  openPictureFolder,
  pictureNames,
  pictureShape,
} from '../../src/engine/open-pictures.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import json from '../../weights/catalog.json' with { type: 'json' };
import { avatarFiles, filesIn } from '../helpers/avatar-model.ts';
import { newbieFolder } from '../helpers/newbie-model.ts';
import { PAPER_CAPS, firstFrameWan, randomParts } from '../helpers/wan-model.ts';

const umt5 = join(import.meta.dirname, '../fixtures/tokenizers/umt5.json');
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

  it('are two that follow each other where a folder has both', async () => {
    const picture = newbieFolder();
    const video = new Map<string, Uint8Array>([
      ['tokenizer/tokenizer.json', readFileSync(umt5)],
      ...[...randomParts(firstFrameWan)].flatMap(([part, file]) => [
        [`${part}/model.safetensors`, file] as const,
        [`${part}/config.json`, Buffer.from(JSON.stringify(firstFrameWan[part] ?? {}))] as const,
      ]),
    ]);
    const inVideo = new Map(
      [...video].map(([path, file]): [string, Uint8Array] => [`video/${path}`, file]),
    );
    const files = {
      paths: [...(picture.paths ?? []).map((path) => `picture/${path}`), ...inVideo.keys()],
      open: async (path: string) => {
        const file = inVideo.get(path);
        return file ? bytesSource(file) : picture.open(path.slice('picture/'.length));
      },
    };
    expect(isPictureFolder(files.paths)).toBe(true);
    const { takes, makes, family } = await openPictureFolder(files);
    expect([family, makes, takes.picture, takes.prompt]).toEqual(['wan', 'video', 'no', 'needed']);
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
