import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  autoencoderDecoder,
  autoencoderEncoder,
} from '../../src/engine/models/autoencoder-kl/autoencoder.ts';
import { parseParams } from '../../src/engine/models/dynamicrafter/params.ts';
import { resampler } from '../../src/engine/models/dynamicrafter/resampler.ts';
import { TEXT_TOWER, VISION_TOWER } from '../../src/engine/models/dynamicrafter/see.ts';
import { VARIANTS, variantParams } from '../../src/engine/models/dynamicrafter/variants.ts';
import { i2vgenConditions } from '../../src/engine/models/i2vgenxl/conditions.ts';
import { parseI2vgenConfig } from '../../src/engine/models/i2vgenxl/config.ts';
import { textTower } from '../../src/engine/models/openclip/text.ts';
import { visionTower } from '../../src/engine/models/openclip/vision.ts';
import { parseClipModels } from '../../src/engine/models/unet3d/catalog.ts';
import type { Unet3dConfig } from '../../src/engine/models/unet3d/config.ts';
import { unetContext } from '../../src/engine/models/unet3d/context.ts';
import { embeddings } from '../../src/engine/models/unet3d/embedding.ts';
import { unet3d } from '../../src/engine/models/unet3d/unet.ts';
import type { Scope } from '../../src/engine/nn/module.ts';
import { parameters } from '../helpers/parameters.ts';

const json: unknown = JSON.parse(
  readFileSync(new URL('../../weights/catalog.json', import.meta.url), 'utf8'),
);

const network =
  (config: Unet3dConfig) =>
  (root: Scope): void => {
    embeddings(config)(root);
    unetContext(config)(root);
    unet3d(config)(root);
  };

const RELEASED_I2VGEN = parseI2vgenConfig({
  block_out_channels: [320, 640, 1280, 1280],
  layers_per_block: 2,
  cross_attention_dim: 1024,
  num_attention_heads: 64,
  norm_num_groups: 32,
  in_channels: 4,
  out_channels: 4,
});

// Counted in the released checkpoints by their publishers.
describe('the released clip models', () => {
  it('I2VGen-XL has 1,420,469,224 parameters', () => {
    const count = parameters((root) => {
      network(RELEASED_I2VGEN)(root);
      i2vgenConditions(RELEASED_I2VGEN)(root);
    });
    expect(count).toBe(1_420_469_224);
  });

  it.each([
    ['256', 16],
    ['512', 0],
    ['1024', 0],
    ['512-interpolation', 0],
  ] as const)('DynamiCrafter %s has 1,438,854,980 and %i scales', (variant, scales) => {
    const { unet } = parseParams(variantParams(variant));
    expect(parameters(network(unet))).toBe(1_438_854_980 + scales);
  });

  it('share autoencoder, projector and CLIP', () => {
    const { vae, resampler: projector } = parseParams(variantParams('512'));
    const coder = parameters((root) => {
      autoencoderEncoder(vae)(root);
      autoencoderDecoder(vae)(root);
    });
    expect(coder).toBe(83_653_863);
    expect(parameters((root) => void resampler(projector)(root))).toBe(48_787_456);
    const eyes = parameters((root) => void visionTower(VISION_TOWER, { embed: true })(root));
    expect(eyes).toBe(632_076_800);
    // Token and position tables are read row by row; the original adds a projection and a scale.
    const tables = (49408 + 77) * 1024;
    const words = parameters((root) => void textTower(TEXT_TOWER, { skip: 0 })(root));
    expect(words + tables).toBe(352_984_064);
    expect(words + tables + 1024 * 1024 + 1).toBe(354_032_641);
  });
});

describe('the catalog of clip models', () => {
  const models = parseClipModels(json);

  it('has every released one, as it is run', () => {
    const variants = models.flatMap(({ variant }) => (variant ? [variant] : []));
    expect(variants.sort()).toEqual(Object.keys(VARIANTS).sort());
    for (const { variant, recommended } of models) {
      if (!variant) continue;
      const { width, height, rate } = VARIANTS[variant];
      expect(recommended).toMatchObject({ width, height, rate: rate.usual });
    }
  });

  it('states both licences of I2VGen-XL', () => {
    const model = models.find(({ family }) => family === 'i2vgenxl');
    expect(model?.licences).toHaveLength(2);
  });

  it('refuses entries that break a rule', () => {
    const broken = [{}, { clips: [{}] }, { clips: [...models, models[0]] }];
    const [first] = models;
    const changed = [{ family: 'wan' }, { parts: {} }, { licences: [] }, { variant: '128' }];
    for (const catalog of [
      ...broken,
      ...changed.map((part) => ({ clips: [{ ...first, ...part }] })),
    ])
      expect(() => parseClipModels(catalog)).toThrow(
        expect.objectContaining({ code: 'catalog/entry' }),
      );
  });
});
