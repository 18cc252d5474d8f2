import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { catalogModel, parseCatalog } from '../../src/engine/models/catalog.ts';
import { forecastWan } from '../../src/engine/models/wan/forecast.ts';
import { samplerFor } from '../../src/engine/sampling/sampler.ts';
import { partsOf } from '../../src/engine/models/wan/released.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { parseUmt5Config, umt5Encoder } from '../../src/engine/models/wan/umt5.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import type { Scope } from '../../src/engine/nn/module.ts';
import { parameters } from '../helpers/parameters.ts';
import { PAPER_CAPS } from '../helpers/wan-model.ts';

const json = JSON.parse(
  readFileSync(new URL('../../weights/catalog.json', import.meta.url), 'utf8'),
) as Record<string, unknown>;
const catalog = parseCatalog(json);
const config = (name: string) => catalog.configs[name] ?? {};

describe('the catalog', () => {
  it('has the models that the engine runs', () => {
    expect(catalog.models.map(({ id }) => id)).toEqual([
      'wan2.2-ti2v-5b',
      'wan2.2-ti2v-5b-4-steps',
      'wan2.2-ti2v-5b-3-steps',
      'wan2.2-i2v-a14b',
      'wan2.2-i2v-a14b-4-steps',
      'wan2.1-i2v-14b-480p',
      'wan2.1-i2v-14b-480p-4-steps',
      'wan2.1-t2v-1.3b',
    ]);
    expect(() => catalogModel(catalog, 'sora')).toThrow(
      expect.objectContaining({ code: 'model/unknown', have: 'sora' }),
    );
  });

  // Counted in the released checkpoints by their publishers.
  it.each([
    ['wan-t2v-1.3b', 1_418_996_800],
    ['wan-ti2v-5b', 4_999_787_712],
    ['wan-i2v-a14b', 14_288_901_184],
    ['wan-i2v-14b', 16_394_878_784],
  ])('describes %s with %i parameters', (name, count) => {
    const wan = parseWanConfig(config(name));
    const build = (root: Scope): void => {
      wanContext(wan)(root);
      wanTransformer(wan)(root);
    };
    expect(parameters(build)).toBe(count);
  });

  it('describes UMT5-XXL: its blocks, without the embedding table and position biases', () => {
    const blocks = 24 * (192_948_224 - 32 * 64) + 4096;
    expect(parameters((root) => void umt5Encoder(parseUmt5Config(config('umt5-xxl')))(root))).toBe(
      blocks,
    );
  });

  it('has sizes that its models can make', () => {
    for (const { parts, recommended, id } of catalog.models) {
      const vae = readVaeConfig(config(parts['vae']?.config ?? ''));
      const side = 2 * vae.patch_size * 8;
      const { width, height, frames } = recommended;
      expect([width % side, height % side, frames % 4], id).toEqual([0, 0, 1]);
    }
  });
});

describe('models of few steps', () => {
  const distilled = catalog.models.filter(({ recommended }) => recommended.steps <= 8);

  it('run without guidance, at noise levels that their solver has', () => {
    expect(distilled.length).toBeGreaterThan(3);
    for (const { id, recommended } of distilled) {
      const { solver, steps, shift, timesteps, guidance } = recommended;
      expect(guidance, id).toBe(1);
      const { sigmas } = samplerFor(solver, 'diffusers', { steps, shift, timesteps });
      expect(sigmas.slice(0, -1), id).toEqual(sigmas.slice(0, -1).toSorted((a, b) => b - a));
      expect([sigmas[0], sigmas.at(-1)], id).toEqual([1, 0]);
    }
  });
});

describe('memory in the catalog', () => {
  it.each([
    ['wan2.1-t2v-1.3b', 'int4'],
    ['wan2.2-ti2v-5b', 'f16'],
    ['wan2.2-i2v-a14b-4-steps', 'int8'],
  ] as const)('of %s in %s is what a forecast says, within a seventh', async (id, name) => {
    const model = catalogModel(catalog, id);
    const { width, height, frames, peakBytes } = model.memory;
    const { peakBytes: foretold } = await forecastWan(
      partsOf(catalog, model),
      {
        ...{ width, height, frames, steps: 4, weights: name === 'f16' ? undefined : name },
        guided: model.recommended.guidance > 1,
        image: model.starts.includes('picture'),
      },
      'f16',
      { ...PAPER_CAPS, software: false, f16: true },
    );
    expect(peakBytes[name] / foretold).toBeGreaterThan(1 - 1 / 7);
    expect(peakBytes[name] / foretold).toBeLessThan(1 + 1 / 7);
  });
});

type Change = (model: Record<string, unknown>, whole: Record<string, unknown>) => void;

const part = (model: Record<string, unknown>): Record<string, unknown> =>
  (model['parts'] as Record<string, Record<string, unknown>>)['transformer'] ?? {};

const bad: readonly (readonly [string, Change])[] = [
  ['another version', (_, whole) => (whole['version'] = 2)],
  ['no models', (_, whole) => (whole['models'] = [])],
  ['settings that are a text', (_, whole) => (whole['configs'] = { 'umt5-xxl': 'x' })],
  ['a name twice', (model) => (model['id'] = 'wan2.2-i2v-a14b')],
  ['a name with blanks', (model) => (model['id'] = 'Wan 2')],
  ['no title', (model) => delete model['title']],
  ['another family', (model) => (model['family'] = 'sora')],
  ['no start', (model) => (model['starts'] = [])],
  ['an unknown start', (model) => (model['starts'] = ['sound'])],
  ['a licence over http', (model) => (model['licence'] = { name: 'x', url: 'http://x.y' })],
  ['a missing part', (model) => delete (model['parts'] as Record<string, unknown>)['vae']],
  [
    'an unknown part',
    (model) => ((model['parts'] as Record<string, unknown>)['ear'] = part(model)),
  ],
  ['a repository without owner', (model) => (part(model)['repository'] = 'wan')],
  ['a branch for a commit', (model) => (part(model)['commit'] = 'main')],
  ['neither folder nor file', (model) => delete part(model)['folder']],
  ['both folder and file', (model) => (part(model)['file'] = '^x$')],
  [
    'a pattern that is open',
    (model) => Object.assign(part(model), { folder: undefined, file: 'x' }),
  ],
  ['unknown settings', (model) => (part(model)['config'] = 'none')],
  ['an unknown storage', (model) => (part(model)['stored'] = 'f7')],
  ['bytes that are no number', (model) => (part(model)['aboutBytes'] = '20 GB')],
  ['no memory', (model) => delete model['memory']],
  [
    'memory that is no number',
    (model) => (model['memory'] = { width: 8, height: 8, frames: 1, peakBytes: { f16: '1' } }),
  ],
  ['a size of zero', (model) => ((model['recommended'] as Record<string, unknown>)['width'] = 0)],
  ['no guidance', (model) => delete (model['recommended'] as Record<string, unknown>)['guidance']],
  [
    'an unknown solver',
    (model) => ((model['recommended'] as Record<string, unknown>)['solver'] = 'x'),
  ],
  [
    'timesteps for fewer steps',
    (model) => ((model['recommended'] as Record<string, unknown>)['timesteps'] = [1000, 500]),
  ],
];

describe('a catalog entry', () => {
  it.each(bad)('with %s is refused', (_what, change) => {
    const copy = structuredClone(json);
    change((copy['models'] as Record<string, unknown>[])[0] ?? {}, copy);
    expect(() => parseCatalog(copy)).toThrow(expect.objectContaining({ code: 'catalog/entry' }));
  });
});
