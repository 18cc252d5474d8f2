import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Library, libraryModels } from '../../src/engine/models/library.ts';
import { Store } from '../../src/engine/weights/store.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';
import { hubSite } from '../helpers/hub-site.ts';
import type { MisbehavingServer } from '../helpers/misbehaving-server.ts';
import { misbehavingServer } from '../helpers/misbehaving-server.ts';

const root = new URL('../../', import.meta.url);
const real = JSON.parse(readFileSync(new URL('weights/catalog.json', root), 'utf8')) as {
  readonly models: readonly { readonly id: string; readonly parts: object }[];
  readonly clips: readonly { readonly id: string }[];
};

/** Bytes of a file, other ones for each. */
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * length);

const shared = new Map([
  ['vae/config.json', bytesOf(20)],
  ['vae/model.safetensors', bytesOf(3000)],
  ['text_encoder/config.json', bytesOf(21)],
  ['text_encoder/model.safetensors', bytesOf(5000)],
  ['text_encoder/model.fp16.safetensors', bytesOf(2500)],
  ['tokenizer/tokenizer.json', bytesOf(400)],
  ['README.md', bytesOf(50)],
]);
const contents = new Map([
  ['team/shared', shared],
  ['team/one', new Map([['one_high.safetensors', bytesOf(7000)]])],
  [
    'team/two',
    new Map([
      ['transformer/config.json', bytesOf(22)],
      ['transformer/model.safetensors', bytesOf(9000)],
    ]),
  ],
]);

const place = (repository: string, where: object): object => ({
  ...{ repository, commit: null, stored: null, aboutBytes: 1000, config: 'any', ...where },
});
const common = {
  vae: place('team/shared', { folder: 'vae' }),
  text_encoder: place('team/shared', { folder: 'text_encoder' }),
  tokenizer: place('team/shared', { folder: 'tokenizer', stored: 'json' }),
};
const model = (id: string, transformer: object): object => ({
  ...real.models[0],
  ...{ id, parts: { transformer, ...common } },
});
const catalog = {
  ...{ version: 1, configs: { any: { width: 8 } }, pictures: [], clips: real.clips },
  models: [
    model('one', place('team/one', { file: '^one_high\\.safetensors$' })),
    model('two', place('team/two', { folder: 'transformer', aboutBytes: null })),
  ],
};
const SHARED_BYTES = 20 + 3000 + 21 + 2500 + 400;

let server: MisbehavingServer;
let host: string;
beforeAll(async () => {
  server = await misbehavingServer(new Uint8Array(0), hubSite(contents));
  host = server.url.replace('/file', '');
});
afterAll(() => server.close());

function library(free = 1e9): Library {
  const disk = new FakeDisk();
  const environment = {
    ...{ folder: disk.root, locks: new FakeLocks(), freeBytes: async () => free },
  };
  return new Library(catalog, new Store(environment));
}

const stateOf = async (models: Library, id: string) =>
  (await models.list()).find((each) => each.id === id);

describe('the models of the catalog', () => {
  it('are one list, whatever their family, with licences, bytes and memory', () => {
    const models = libraryModels(real);
    const families = new Set(models.map(({ family }) => family));
    expect([...families].sort()).toEqual(['dynamicrafter', 'i2vgenxl', 'newbie', 'wan']);
    for (const { licences, aboutBytes, recommended } of models) {
      expect(licences.length).toBeGreaterThan(0);
      expect(aboutBytes).toBeGreaterThan(1e8);
      expect(recommended['steps']).toBeGreaterThan(0);
    }
    const wan = models.filter(({ family }) => family === 'wan');
    for (const { peakBytes } of wan) expect(peakBytes?.int4).toBeLessThan(peakBytes?.f16 ?? 0);
  });
});

describe('the library of this browser', () => {
  it('says what a download takes before it begins, twins and strangers left out', async () => {
    const models = library(10_000);
    const check = await models.check('one', { host });
    expect(check).toEqual({
      ...{ totalBytes: 7000 + SHARED_BYTES, missingBytes: 7000 + SHARED_BYTES },
      ...{ freeBytes: 10_000, fits: false },
    });
    expect(await stateOf(models, 'one')).toMatchObject({ state: 'absent', storedBytes: 0 });
  });

  it('goes on where a download was stopped, with one progress for all files', async () => {
    const models = library();
    const abort = new AbortController();
    const seen: number[] = [];
    const stopped = models.download('one', {
      ...{ host, signal: abort.signal },
      onProgress: ({ bytes }) => {
        seen.push(bytes);
        if (bytes > 7000) abort.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    // The file of 20 bytes after the first one had come whole.
    expect(await stateOf(models, 'one')).toMatchObject({ state: 'partial', storedBytes: 7020 });
    const { missingBytes } = await models.check('one', { host });
    expect(missingBytes).toBe(SHARED_BYTES - 20);
    let last = 0;
    await models.download('one', { host, onProgress: ({ bytes }) => (last = bytes) });
    expect(last).toBe(7000 + SHARED_BYTES);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(await stateOf(models, 'one')).toMatchObject({
      ...{ state: 'stored', storedBytes: 7000 + SHARED_BYTES },
    });
  });

  it('keeps files of two models once, and until the last of them is deleted', async () => {
    const models = library();
    await models.download('one', { host });
    expect((await models.check('two', { host })).missingBytes).toBe(9022);
    expect(await stateOf(models, 'two')).toMatchObject({ storedBytes: SHARED_BYTES });
    await models.download('two', { host });
    await models.remove('one');
    expect(await stateOf(models, 'one')).toMatchObject({ state: 'partial' });
    expect(await stateOf(models, 'two')).toMatchObject({ state: 'stored' });
    await models.remove('two');
    for (const id of ['one', 'two'])
      expect(await stateOf(models, id)).toMatchObject({ state: 'absent', storedBytes: 0 });
  });

  it('needs no network for what it knows', async () => {
    const models = library();
    await models.download('two', { host });
    server.asked.length = 0;
    expect(await stateOf(models, 'two')).toMatchObject({ state: 'stored' });
    await models.download('two', { host: 'http://127.0.0.1:1', waitsMs: [] });
    expect(server.asked).toEqual([]);
  });

  it('refuses a model that it does not know', async () => {
    await expect(library().check('three')).rejects.toMatchObject({ code: 'model/unknown' });
  });
});
