import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInBrowser } from '../../scripts/lib/browser.mjs';
import type { Behaviour, MisbehavingServer } from '../helpers/misbehaving-server.ts';
import { honest, misbehavingServer } from '../helpers/misbehaving-server.ts';
import type { StoreAnswer, StoreJob } from './store-worker.ts';

const SIZE = 6_000_000;
const CHUNK = 400_000; // 15 chunks
const bytes = Uint8Array.from({ length: SIZE }, (_, i) => (i * 2654435761) >>> 9);
const sha256 = createHash('sha256').update(bytes).digest('hex');

let server: MisbehavingServer;
let browser: Browser;
let folder: string;
let worker: Uint8Array;

/** The page and its worker, and the file for every other address. */
const site =
  (file: Behaviour): Behaviour =>
  (request) => {
    const { response } = request;
    if (request.url === '/worker.js') {
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(worker);
    } else if (request.url === '/') {
      response
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end('<!doctype html><title>store</title>');
    } else file(request);
  };

/** Sends the part slowly, so that there is time to kill the page. */
const slowly: Behaviour = ({ range, response }) => {
  const [first, end] = range ?? [0, SIZE];
  response.writeHead(206, { 'Content-Range': `bytes ${first}-${end - 1}/${SIZE}` });
  let at = first;
  const send = (): void => {
    const piece = bytes.subarray(at, Math.min(end, at + 20_000));
    at += piece.length;
    if (at >= end) response.end(piece);
    else response.write(piece, () => setTimeout(send, 1));
  };
  send();
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'store-'));
  await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: folder,
      emptyOutDir: true,
      lib: {
        entry: join(import.meta.dirname, 'store-worker.ts'),
        formats: ['es'],
        fileName: 'worker',
      },
    },
  });
  worker = await readFile(join(folder, 'worker.js'));
  server = await misbehavingServer(bytes, site(honest));
  const opened = await openInBrowser(home(), async () => true, { software: true });
  browser = opened.browser;
});
afterAll(async () => {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true });
});

const home = (): string => server.url.replace('/file', '/');

/** A page with a worker that loads the file; what it answers is collected in the page. */
async function start(key: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(home());
  const job: StoreJob = { url: server.url, key, sha256, chunkBytes: CHUNK };
  await page.evaluate((message) => {
    const answers: unknown[] = [];
    Object.assign(globalThis, { answers });
    const loader = new Worker('/worker.js', { type: 'module' });
    loader.addEventListener('message', ({ data }) => answers.push(data));
    loader.postMessage(message);
  }, job);
  return page;
}

const answersOf = (page: Page): Promise<StoreAnswer[]> =>
  page.evaluate(() => (globalThis as unknown as { answers: StoreAnswer[] }).answers);

async function ended(page: Page): Promise<StoreAnswer> {
  for (;;) {
    const end = (await answersOf(page)).find(({ kind }) => kind !== 'progress');
    if (end) return end;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const fetchedBytes = (): number =>
  server.asked.reduce((sum, line) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(line) ?? [];
    return (
      sum +
      (first === undefined || (first === '0' && last === '65535')
        ? 0
        : Number(last) + 1 - Number(first))
    );
  }, 0);

describe('the browser’s storage', () => {
  it('holds a sound file after the page was closed at 20 random moments', async () => {
    server.behave(site(slowly));
    let kills = 0;
    for (; kills < 20; kills++) {
      const page = await start('killed');
      await new Promise((resolve) => setTimeout(resolve, 10 + 190 * Math.random()));
      await page.close();
    }
    server.asked.length = 0;
    const page = await start('killed');
    expect(await ended(page)).toMatchObject({ kind: 'done', sha256, size: SIZE });
    await page.close();
    expect(kills).toBe(20);
  });

  it('costs a kill at most the chunks that were on their way', async () => {
    server.behave(site(slowly));
    const page = await start('once');
    let before = 0;
    while (before < SIZE / 2) {
      const last = (await answersOf(page)).at(-1);
      if (last?.kind === 'progress') before = last.bytes;
    }
    await page.close();
    server.behave(site(honest));
    const again = await start('once');
    expect(await ended(again)).toMatchObject({ kind: 'done', sha256 });
    expect(fetchedBytes()).toBeLessThanOrEqual(SIZE - before + 3 * CHUNK);
    await again.close();
  });

  it('is filled once when two tabs ask for the same file', async () => {
    server.behave(site(slowly));
    const pages = [await start('twice'), await start('twice')];
    const ends = await Promise.all(pages.map(ended));
    expect(ends).toMatchObject([
      { kind: 'done', sha256 },
      { kind: 'done', sha256 },
    ]);
    expect(fetchedBytes()).toBe(SIZE);
    await Promise.all(pages.map((page) => page.close()));
  });

  it('serves a second visit without a request for the file', async () => {
    server.behave(site(honest));
    const page = await start('twice');
    expect(await ended(page)).toMatchObject({ kind: 'done', sha256 });
    expect(server.asked.filter((line) => line.includes('bytes='))).toEqual([]);
    await page.close();
  });

  it('says that it is full, by the browser’s own limit', async () => {
    server.behave(site(honest));
    const page = await browser.newPage();
    await page.goto(home());
    const session = await page.createCDPSession();
    const origin = new URL(home()).origin;
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 });
    const full = await start('full');
    expect(await ended(full)).toMatchObject({ kind: 'failed', code: 'weights/quota' });
    await full.close();
    await page.close(); // the limit holds as long as its session
  });
});
