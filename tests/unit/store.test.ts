import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download } from '../../src/engine/weights/download.ts';
import type { DownloadOptions } from '../../src/engine/weights/download.ts';
import { parseJournal } from '../../src/engine/weights/journal.ts';
import { openRemote } from '../../src/engine/weights/remote-file.ts';
import { Store } from '../../src/engine/weights/store.ts';
import { FakeDisk, Killed } from '../helpers/fake-directory.ts';
import type { Torn } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';
import type { Behaviour, MisbehavingServer } from '../helpers/misbehaving-server.ts';
import {
  cutAfter,
  firstly,
  honest,
  misbehavingServer,
  status,
  withoutRange,
} from '../helpers/misbehaving-server.ts';

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 2654435761) >>> 11);
const sha256 = createHash('sha256').update(bytes).digest('hex');
const chunkBytes = 6400; // 16 chunks, the last one shorter
const KEY = 'team/model@0123/vae/model.safetensors';
const quick = { stallMs: 500, waitsMs: [1, 1] };

let server: MisbehavingServer;
beforeAll(async () => {
  server = await misbehavingServer(bytes);
});
afterAll(() => server.close());

/** A browser with an empty storage, whose pages can be killed. */
function browser(free = Infinity) {
  const disk = new FakeDisk();
  disk.free = free;
  const locks = new FakeLocks();
  const store = new Store({ folder: disk.root, locks, freeBytes: async () => disk.free });
  const load = (options: DownloadOptions = {}) =>
    download(store, KEY, () => openRemote(server.url, quick), { chunkBytes, sha256, ...options });
  const kill = (torn?: Torn): void => {
    disk.kill(torn);
    locks.kill();
  };
  return { disk, store, load, kill };
}

const contentOf = async (file: { size: number; read(a: number, b: number): Promise<Uint8Array> }) =>
  Buffer.from(await file.read(0, file.size));

/** Bytes of the file that the server was asked for since it last changed its behaviour, but for the first look. */
const fetched = (): number =>
  server.asked.slice(1).reduce((sum, line) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(line) ?? [];
    return sum + Number(last) + 1 - Number(first);
  }, 0);

describe('a download into the store', () => {
  it('leaves the file, chunk by chunk, and does not ask for it a second time', async () => {
    server.behave(honest);
    const { load, store } = browser();
    const seen: number[] = [];
    const file = await load({ onProgress: (done) => seen.push(done) });
    expect(Buffer.compare(await contentOf(file), bytes)).toBe(0);
    expect(seen[0]).toBe(0);
    expect(seen.at(-1)).toBe(bytes.length);
    expect(server.asked).toHaveLength(1 + 16);
    await load();
    expect(server.asked).toHaveLength(1 + 16);
    expect(await store.list()).toEqual([
      { key: KEY, size: bytes.length, storedBytes: bytes.length, finished: true },
    ]);
    await store.remove(KEY);
    expect(await store.list()).toEqual([]);
    expect(await store.open(KEY)).toBeUndefined();
  });

  const torn: Readonly<Record<string, Torn>> = {
    lost: () => undefined,
    'half written': ({ bytes: all }) => all.slice(0, all.length >> 1),
    scrambled: ({ bytes: all }) => all.map((byte, i) => (i % 3 === 0 ? 0 : byte)),
    'written although nobody asked': ({ bytes: all }) => all,
  };

  it.each(Object.entries(torn))(
    'survives kills at every 5th write or flush, what was not flushed %s',
    async (_how, tear) => {
      for (let point = 0; point < 100; point += 5) {
        server.behave(honest);
        const { disk, load, kill } = browser();
        disk.killIn = point;
        await expect(load({ connections: 2 })).rejects.toBeInstanceOf(Killed);
        kill(tear);
        const before = await journalled(disk);
        server.behave(honest);
        expect(Buffer.compare(await contentOf(await load({ connections: 2 })), bytes)).toBe(0);
        expect(fetched()).toBe(bytes.length - before);
      }
    },
  );

  it('survives one kill after the other', async () => {
    server.behave(honest);
    const { disk, load, kill } = browser();
    let kills = 0;
    for (;;) {
      disk.killIn = 9;
      const file = await load().catch((error: unknown) => {
        expect(error).toBeInstanceOf(Killed);
      });
      disk.killIn = Infinity;
      if (file) {
        expect(Buffer.compare(await contentOf(file), bytes)).toBe(0);
        break;
      }
      kills++;
      kill(({ bytes: all }) => all.slice(0, 20));
    }
    expect(kills).toBeGreaterThan(5);
  });

  it('fetches just the chunk that was damaged in storage', async () => {
    server.behave(honest);
    const { disk, load, store } = browser();
    await load();
    flip(disk, 3 * chunkBytes + 17);
    expect(await store.check(KEY)).toEqual([3]);
    server.behave(honest);
    // Opening looks at some chunks only, so that it may take a few times until the damage is seen.
    for (let i = 0; i < 60 && server.asked.length === 0; i++) await load();
    expect(server.asked.slice(1)).toEqual([`GET bytes=${3 * chunkBytes}-${4 * chunkBytes - 1}`]);
    expect(await store.check(KEY)).toEqual([]);
    flip(disk, 5);
    await expect(store.open(KEY)).rejects.toMatchObject({ code: 'weights/corrupt', have: 0 });
  });

  it('is read in one go from a server without Range, and goes on after a kill', async () => {
    server.behave(withoutRange());
    const { disk, load, kill } = browser();
    disk.killIn = 30;
    await expect(load()).rejects.toBeInstanceOf(Killed);
    kill();
    expect(Buffer.compare(await contentOf(await load()), bytes)).toBe(0);
  });

  it('goes on through a bad connection', async () => {
    server.behave(firstly(1, honest, cutAfter(5000)));
    expect(Buffer.compare(await contentOf(await browser().load()), bytes)).toBe(0);
  });

  it('keeps what came when the server fails for good', async () => {
    server.behave(firstly(6, honest, status(503)));
    const { load, store } = browser();
    await expect(load({ connections: 1 })).rejects.toMatchObject({ code: 'weights/busy' });
    expect(await store.list()).toMatchObject([{ storedBytes: 5 * chunkBytes, finished: false }]);
    server.behave(honest);
    await load();
    expect(fetched()).toBe(bytes.length - 5 * chunkBytes);
  });

  it('removes a file that is not what its publisher says', async () => {
    server.behave(honest);
    const { load, store } = browser();
    const loading = load({ sha256: '0'.repeat(64) });
    await expect(loading).rejects.toMatchObject({ code: 'weights/hash' });
    expect(await store.list()).toEqual([]);
  });

  it('starts anew when the server has another file than before', async () => {
    const tagged =
      (etag: string): Behaviour =>
      (request) => {
        request.response.setHeader('ETag', etag);
        honest(request);
      };
    server.behave(firstly(4, tagged('"a"'), status(404)));
    const { load } = browser();
    const anyHash = { sha256: undefined, connections: 1 };
    await expect(load(anyHash)).rejects.toMatchObject({ code: 'weights/not-found' });
    server.behave(tagged('"b"'));
    expect(Buffer.compare(await contentOf(await load(anyHash)), bytes)).toBe(0);
    expect(fetched()).toBe(bytes.length);
  });

  it('says before the start that there is too little space, and keeps what fits when it runs out', async () => {
    server.behave(honest);
    await expect(browser(100_000).load()).rejects.toMatchObject({
      code: 'weights/quota',
      need: expect.toSatisfy((need: number) => need >= 1.1 * bytes.length),
    });
    expect(server.asked).toHaveLength(1);
    const { disk, store, load } = browser();
    disk.free = 50_000;
    const promising = new Store({ ...store.environment, freeBytes: async () => Infinity });
    const loading = download(promising, KEY, () => openRemote(server.url, quick), { chunkBytes });
    await expect(loading).rejects.toMatchObject({ code: 'weights/quota' });
    const [entry] = await store.list();
    expect(entry?.storedBytes).toBeGreaterThan(30_000);
    disk.free = Infinity;
    expect(Buffer.compare(await contentOf(await load({ sha256: undefined })), bytes)).toBe(0);
  });

  it('happens once when two tabs ask for it', async () => {
    server.behave(honest);
    const { load } = browser();
    const [first, second] = await Promise.all([load(), load()]);
    expect(server.asked).toHaveLength(1 + 16);
    expect(Buffer.compare(await contentOf(first), await contentOf(second))).toBe(0);
  });

  it('stops when it is cancelled, and goes on later', async () => {
    server.behave(honest);
    const { load, store } = browser();
    const cancel = new AbortController();
    const onProgress = (done: number): void => {
      if (done > 40_000) cancel.abort();
    };
    const loading = load({ signal: cancel.signal, onProgress });
    await expect(loading).rejects.toMatchObject({ name: 'AbortError' });
    const [entry] = await store.list();
    expect(entry).toMatchObject({ finished: false });
    expect(Buffer.compare(await contentOf(await load()), bytes)).toBe(0);
  });
});

/** Bytes that the journal on disk vouches for. */
async function journalled(disk: FakeDisk): Promise<number> {
  let sum = 0;
  for (const file of disk.files()) {
    const state = file.name === 'journal' ? parseJournal(file.content) : undefined;
    for (const chunk of state?.digests.keys() ?? []) {
      sum += Math.min(chunkBytes, bytes.length - chunk * chunkBytes);
    }
  }
  return sum;
}

function flip(disk: FakeDisk, at: number): void {
  for (const file of disk.files()) {
    if (file.name === 'data') file.safe[at] = (file.safe[at] ?? 0) ^ 1;
  }
}
