import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  autoencoderDecoder,
  autoencoderEncoder,
} from '../../src/engine/models/autoencoder-kl/autoencoder.ts';
import { parseAutoencoderConfig } from '../../src/engine/models/autoencoder-kl/config.ts';
import { parseCatalog } from '../../src/engine/models/catalog.ts';
import { parseGemmaConfig } from '../../src/engine/models/gemma/config.ts';
import { gemmaEncoder } from '../../src/engine/models/gemma/gemma.ts';
import { parseJinaConfig } from '../../src/engine/models/jina/config.ts';
import { jinaEncoder } from '../../src/engine/models/jina/jina.ts';
import { parseNextDitConfig } from '../../src/engine/models/newbie/config.ts';
import { nextDitModulation } from '../../src/engine/models/newbie/modulation.ts';
import { nextDit, nextDitCaption } from '../../src/engine/models/newbie/nextdit.ts';
import type { Scope } from '../../src/engine/nn/module.ts';
import type { RowSource } from '../../src/engine/weights/mapped.ts';
import { parameters } from '../helpers/parameters.ts';

const json = JSON.parse(
  readFileSync(new URL('../../weights/catalog.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;
const catalog = parseCatalog(json);
const config = (name: string) => catalog.configs[name] ?? {};

/** Shapes of the release that its config.json does not state. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  't_embedder.mlp.0.weight': [1024, 256],
  'layers.0.feed_forward.w1.weight': [9216, 2304],
  'cap_embedder.0.weight': [2560],
  'clip_text_pooled_proj.0.weight': [1024],
};
const none = (): never => {
  throw new Error('shapes alone');
};
const released: RowSource = {
  has: (name) => name in SHAPES,
  info: (name) => ({ shape: SHAPES[name] ?? [] }),
  ...{ read: none, readRows: none },
};

describe('picture models in the catalog', () => {
  it('are those that the engine runs', () => {
    expect(catalog.pictures.map(({ id }) => id)).toEqual(['newbie-image-exp0.1']);
  });

  // Counted with the reference classes; a norm that the file holds and nothing uses is left out.
  it('describe the transformer with 3,486,633,792 parameters', () => {
    const newbie = parseNextDitConfig(config('newbie-nextdit'), released);
    const build = (root: Scope): void => {
      nextDitCaption(newbie)(root);
      nextDitModulation(newbie)(root);
      nextDit(newbie)(root);
    };
    expect(parameters(build)).toBe(3_486_636_096 - 2304);
  });

  it('describe 33 layers of Gemma with 3,114,625,536 parameters', () => {
    const gemma = parseGemmaConfig(config('gemma-3-4b'));
    expect(gemma.embeddingScale).toBe(50.5);
    const encoder = gemmaEncoder(gemma, { layers: 33, finalNorm: false });
    expect(parameters(encoder)).toBe(3_114_625_536);
  });

  it('describe the text tower of Jina with 302,309,376 parameters in its layers', () => {
    const jina = parseJinaConfig(config('jina-clip-v2-text'));
    expect(parameters(jinaEncoder(jina))).toBe(302_309_376 + 2 * 1024);
  });

  it('describe the autoencoder with 83,819,683 parameters', () => {
    const vae = parseAutoencoderConfig(config('flux-vae'));
    expect(parameters(autoencoderEncoder(vae))).toBe(34_274_208);
    expect(parameters(autoencoderDecoder(vae))).toBe(49_545_475);
  });

  it.each([
    ['memoryBytes', { f16: 1, int8: 0, int4: 1 }, 'memoryBytes.int8'],
    ['recommended', { width: 8, height: 8, steps: 1, guidance: 1, shift: 1 }, 'solver'],
    ['family', 'wan', 'family'],
    ['parts', {}, 'parts'],
  ])('are refused with a wrong %s', (key, value, place) => {
    const [first] = json['pictures'] as Record<string, unknown>[];
    const wrong = { ...json, pictures: [{ ...first, [key]: value }] };
    expect(() => parseCatalog(wrong)).toThrow(place);
  });
});
