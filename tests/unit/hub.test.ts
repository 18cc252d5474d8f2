import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Catalog, CatalogPart } from '../../src/engine/models/catalog.ts';
import { checkWan } from '../../src/engine/models/wan/check.ts';
import { openReleased } from '../../src/engine/models/wan/released.ts';
import { forgetHub } from '../../src/engine/weights/hub-record.ts';
import type { ComponentName } from '../../src/engine/models/wan/components.ts';
import {
  downloadModel,
  peekFiles,
  planPart,
  storedFiles,
} from '../../src/engine/weights/model-download.ts';
import type { ModelPlan } from '../../src/engine/weights/model-download.ts';
import { openModelFolder } from '../../src/engine/weights/model-folder.ts';
import { openHub } from '../../src/engine/weights/hub.ts';
import { Store } from '../../src/engine/weights/store.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';
import type { Behaviour, MisbehavingServer } from '../helpers/misbehaving-server.ts';
import { honest, misbehavingServer, status } from '../helpers/misbehaving-server.ts';
import { firstFrameWan, PAPER_CAPS, randomParts } from '../helpers/wan-model.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const NAMES: readonly ComponentName[] = ['transformer', 'vae', 'text_encoder'];

const parts = randomParts(firstFrameWan);
const files = new Map<string, Uint8Array>([['README.md', Buffer.from('a model')]]);
for (const name of NAMES) {
  files.set(`${name}/config.json`, Buffer.from(JSON.stringify(firstFrameWan[name])));
  files.set(`${name}/model.safetensors`, parts.get(name) ?? Buffer.alloc(0));
}
files.set(
  'tokenizer/tokenizer.json',
  readFileSync(new URL('../fixtures/tokenizers/umt5.json', import.meta.url)),
);
files.set('single.safetensors', parts.get('transformer') ?? Buffer.alloc(0));

const listing = [
  { type: 'directory', path: 'vae', size: 0 },
  ...[...files].map(([path, bytes]) => ({
    ...{ type: 'file', path, size: bytes.length },
    ...(path.endsWith('.safetensors') && {
      lfs: { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length },
    }),
  })),
];

const answer = (request: Parameters<Behaviour>[0], bytes: Uint8Array): void => {
  const [, first, last] = /(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
  const range =
    first === undefined
      ? undefined
      : ([Number(first), Math.min(bytes.length, Number(last) + 1)] as const);
  honest({ ...request, bytes, range });
};

/** Speaks like the hub: a listing, and files behind a redirect. */
const hub =
  (list: unknown = listing): Behaviour =>
  (request) => {
    const { url } = request;
    if (url === '/api/models/team/tiny')
      answer(request, Buffer.from(JSON.stringify({ sha: COMMIT })));
    else if (url === `/api/models/team/tiny/tree/${COMMIT}?recursive=true`)
      answer(request, Buffer.from(JSON.stringify(list)));
    else if (url.startsWith(`/team/tiny/resolve/${COMMIT}/`))
      status(302, { Location: url.replace(`/team/tiny/resolve/${COMMIT}`, '/cdn') })(request);
    else {
      const bytes = files.get(url.slice('/cdn/'.length));
      if (bytes) answer(request, bytes);
      else status(404)(request);
    }
  };

let server: MisbehavingServer;
let options: { host: string; waitsMs: readonly number[] };
beforeAll(async () => {
  server = await misbehavingServer(new Uint8Array(0));
  options = { host: server.url.replace('/file', ''), waitsMs: [] };
});
afterAll(() => server.close());

const open = (commit: string | null = COMMIT) => openHub('team/tiny', commit, options);

async function planned(): Promise<ModelPlan> {
  const repository = await open();
  const plans = NAMES.map((name) => planPart(name, repository, { folder: name }, undefined));
  return {
    wanted: plans.flatMap(({ wanted }) => wanted),
    given: plans.flatMap(({ given }) => given),
  };
}

describe('a repository on a hub', () => {
  it('lists its files at a commit, or at the newest one when none is known', async () => {
    server.behave(hub());
    const { files: list, commit, keyOf } = await open();
    expect(list.map(({ path }) => path)).toEqual([...files.keys()]);
    expect(list.find(({ path }) => path === 'README.md')?.sha256).toBeUndefined();
    expect(commit).toBe(COMMIT);
    expect(keyOf('vae/config.json')).toBe(`team/tiny@${COMMIT}/vae/config.json`);
    expect((await open(null)).commit).toBe(COMMIT);
  });

  it.each([
    ['no list', {}],
    ['a path with a way out', [{ type: 'file', path: '../x', size: 1 }]],
    ['a length that is none', [{ type: 'file', path: 'x', size: '1' }]],
    ['no path', [{ type: 'file', size: 1 }]],
  ])('is refused when it answers with %s', async (_what, list) => {
    server.behave(hub(list));
    await expect(open()).rejects.toMatchObject({ code: 'weights/hub' });
  });

  it('that is not there is said to be missing', async () => {
    server.behave(hub());
    const opening = openHub('team/none', COMMIT, options);
    await expect(opening).rejects.toMatchObject({ code: 'weights/not-found' });
  });
});

describe('a model on a hub', () => {
  it('is checked by its headers before it is loaded, stored, and then opened without a network', async () => {
    server.behave(hub());
    const plan = await planned();
    expect(plan.wanted.map(({ as }) => as).sort()).toEqual(
      [...files.keys()].filter((path) => NAMES.some((name) => path.startsWith(`${name}/`))).sort(),
    );
    await checkWan(await openModelFolder(peekFiles(plan), NAMES), PAPER_CAPS);
    const disk = new FakeDisk();
    const store = new Store({
      ...{ folder: disk.root, locks: new FakeLocks(), freeBytes: async () => Infinity },
    });
    expect((await store.list()).length).toBe(0);
    await expect(openModelFolder(storedFiles(store, plan), NAMES)).rejects.toMatchObject({
      code: 'weights/missing',
    });
    const seen: number[] = [];
    let total = 0;
    await downloadModel(store, plan, {
      onProgress: ({ bytes, totalBytes }) => {
        seen.push(bytes);
        total = totalBytes;
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(total);
    server.behave(status(503));
    await downloadModel(store, plan);
    const folder = await openModelFolder(storedFiles(store, plan), NAMES);
    await checkWan(folder, PAPER_CAPS);
    expect(server.asked).toEqual([]);
  });

  it('of single files takes its settings from the catalog', async () => {
    server.behave(hub());
    const place = { file: '^sing.*\\.safetensors$' };
    const plan = planPart('transformer', await open(), place, firstFrameWan.transformer);
    const folder = await openModelFolder(peekFiles(plan), NAMES);
    expect(await folder.config('transformer')).toEqual(firstFrameWan.transformer);
    expect((await folder.weights('transformer')).has('proj_out.weight')).toBe(true);
  });

  it('is refused when the repository has no such files', async () => {
    server.behave(hub());
    const repository = await open();
    for (const place of [{ folder: 'ear' }, { file: '^none$' }, { file: '^.*\\.safetensors$' }]) {
      expect(() => planPart('transformer', repository, place, {})).toThrow(
        expect.objectContaining({ code: 'weights/missing' }),
      );
    }
  });

  it('of another kind is refused by its headers', async () => {
    server.behave(hub());
    const repository = await open();
    const swapped = { wanted: [], given: [] } as {
      wanted: ModelPlan['wanted'][number][];
      given: [];
    };
    for (const [part, from] of [
      ['transformer', 'vae'],
      ['vae', 'vae'],
      ['text_encoder', 'text_encoder'],
    ] as const) {
      swapped.wanted.push(...planPart(part, repository, { folder: from }, undefined).wanted);
    }
    const settings = {
      as: 'transformer/config.json',
      text: JSON.stringify(firstFrameWan.transformer),
    };
    const files = peekFiles({ ...swapped, given: [settings] });
    const checking = checkWan(await openModelFolder(files, NAMES), PAPER_CAPS);
    await expect(checking).rejects.toMatchObject({ code: 'weights/missing' });
  });
});

describe('a model of the catalog', () => {
  const part = (over: Partial<CatalogPart> & Pick<CatalogPart, 'stored'>): CatalogPart => ({
    ...{ repository: 'team/tiny', commit: null, aboutBytes: null },
    ...over,
  });
  const catalogWith = (transformer: CatalogPart): Catalog => ({
    configs: {
      dit: firstFrameWan.transformer,
      vae: firstFrameWan.vae,
      text: firstFrameWan.text_encoder,
    },
    pictures: [],
    models: [
      {
        ...{ id: 'tiny', title: 'Tiny', family: 'wan', starts: ['picture'], note: 'random' },
        licence: { name: 'MIT', url: 'https://opensource.org/license/mit' },
        parts: {
          transformer,
          vae: part({ folder: 'vae', config: 'vae', stored: 'f32' }),
          text_encoder: part({ folder: 'text_encoder', config: 'text', stored: 'f32' }),
          tokenizer: part({ folder: 'tokenizer', stored: 'json' }),
        },
        memory: {
          ...{ width: 96, height: 64, frames: 5 },
          peakBytes: { f16: 1, int8: 1, int4: 1 },
        },
        recommended: {
          ...{ width: 96, height: 64, frames: 5, fps: 12, steps: 4, guidance: 1, shift: 7 },
          solver: 'flow_euler',
        },
      },
    ],
  });
  const folder = catalogWith(part({ folder: 'transformer', config: 'dit', stored: 'f32' }));
  const emptyStore = () =>
    new Store({
      ...{ folder: new FakeDisk().root, locks: new FakeLocks(), freeBytes: async () => Infinity },
    });
  const openTiny = (catalog: Catalog, store: Store) =>
    openReleased(catalog, 'tiny', store, { caps: PAPER_CAPS, hub: options });

  it('is fetched once, and then opened without a network at the commit of the first time', async () => {
    server.behave(hub());
    const store = emptyStore();
    const first = await openTiny(folder, store);
    expect(first.usual).toMatchObject({
      steps: 4,
      shift: 7,
      solver: 'flow_euler',
      sideMultiple: 32,
    });
    server.behave(status(503));
    const second = await openTiny(folder, store);
    expect(server.asked).toEqual([]);
    const weights = await second.parts.weights('transformer');
    expect(weights.packs).toBeDefined();
    expect(await second.parts.config('transformer')).toEqual(firstFrameWan.transformer);
    expect(second.tokenizer.size).toBe(files.get('tokenizer/tokenizer.json')?.byteLength);
  });

  it('may be pieced together from folders and single files', async () => {
    server.behave(hub());
    const single = part({ file: '^single\\.safetensors$', config: 'dit', stored: 'f32' });
    const { parts: opened } = await openTiny(catalogWith(single), emptyStore());
    expect((await opened.weights('transformer')).has('proj_out.weight')).toBe(true);
  });

  it('is refused before anything is fetched when its files are not what the catalog says', async () => {
    server.behave(hub());
    const store = emptyStore();
    const wrong = catalogWith(part({ folder: 'vae', config: 'dit', stored: 'f32' }));
    await expect(openTiny(wrong, store)).rejects.toMatchObject({ name: 'EngineError' });
    expect((await store.list()).map(({ key }) => key)).toEqual(['hub team/tiny@newest']);
  });

  it('is looked up anew when what the hub said is forgotten', async () => {
    server.behave(hub());
    const store = emptyStore();
    await openTiny(folder, store);
    await forgetHub(store, 'team/tiny', null);
    server.behave(status(503));
    await expect(openTiny(folder, store)).rejects.toMatchObject({ code: 'weights/busy' });
  });
});
