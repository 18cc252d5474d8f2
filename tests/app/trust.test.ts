import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, BrowserContext, Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInBrowser } from '../../scripts/lib/browser.mjs';
import { builtApp } from '../../scripts/lib/build.mjs';
import { serve } from '../../scripts/lib/serve.mjs';
import type { Logged, LoggingProxy } from '../helpers/logging-proxy.ts';
import { loggingProxy } from '../helpers/logging-proxy.ts';
import { repository, tinyFiles } from './app.ts';

/** Chrome asks services of its maker by itself: where there is a form, for its own updates. The policy lets no page reach them. */
const OF_THE_BROWSER = /^(http:\/\/)?[a-z.-]+\.(googleapis|google|gvt1)\.com[:/]/;
/** What the browser was asked for by pages and workers. */
const askedFor = (): readonly Logged[] => proxy.log.filter(({ url }) => !OF_THE_BROWSER.test(url));

type Served = Awaited<ReturnType<typeof serve>>;
/** `blocked` or `allowed` by what was tried. */
type Outcomes = Readonly<Record<string, string>>;
type Probed = { readonly page: Outcomes; readonly worker: Outcomes };

let proxy: LoggingProxy;
let browser: Browser;
/** With the policy as headers, without any header, and another origin. */
let strict: Served;
let bare: Served;
let foreign: Served;
/** Files in place of those of the build, by address. */
const mounts: Record<string, string> = {};
const folder = mkdtempSync(join(tmpdir(), 'zoetrope-trust-'));

beforeAll(async () => {
  const picture = join(repository, 'tests/fixtures/pictures/plain.png');
  const dist = builtApp(process.env['ZOETROPE_APP']);
  const probes = join(repository, 'tests/fixtures/probes');
  Object.assign(mounts, tinyFiles(dist), { '/probes': probes });
  const script = readFileSync(join(dist, 'service-worker.js'), 'utf8');
  writeFileSync(join(folder, 'next.js'), `${script}\n// another version`);
  strict = await serve(dist, mounts);
  bare = await serve(dist, mounts, {});
  foreign = await serve(
    probes,
    { '/picture.png': picture },
    { 'Access-Control-Allow-Origin': '*' },
  );
  proxy = await loggingProxy();
  const opened = await openInBrowser(`${strict.url}animate.html`, async () => true, {
    software: true,
    flags: proxy.flags,
  });
  browser = opened.browser;
  await opened.page.close();
});

afterAll(async () => {
  await browser?.close();
  await Promise.all([strict, bare, foreign, proxy].map((one) => one?.close()));
  rmSync(folder, { recursive: true });
});

/** Runs in a profile of its own. */
async function inPrivate<T>(work: (context: BrowserContext) => Promise<T>): Promise<T> {
  const context = await browser.createBrowserContext();
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

async function probe(context: BrowserContext, site: Served): Promise<Probed> {
  const page = await context.newPage();
  await page.goto(`${site.url}probes/probe.html?foreign=${encodeURIComponent(foreign.url)}`);
  await page.waitForFunction(() => document.title !== 'running', { timeout: 30_000 });
  return JSON.parse(await page.title()) as Probed;
}

/** Opens the app and waits until its service worker serves it. */
async function openServed(context: BrowserContext, site: Served): Promise<Page> {
  const page = await context.newPage();
  await page.goto(site.url);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  return page;
}

const values = (outcomes: Outcomes): string[] => [...new Set(Object.values(outcomes))];

describe('the policy', () => {
  it('blocks everything foreign in page and worker where the host sends headers', () =>
    inPrivate(async (context) => {
      const { page, worker } = await probe(context, strict);
      expect(values(page), JSON.stringify(page)).toEqual(['blocked']);
      expect(values(worker), JSON.stringify(worker)).toEqual(['blocked']);
    }));

  it('blocks the same on a host without headers, through the service worker', () =>
    inPrivate(async (context) => {
      await openServed(context, bare);
      const { page, worker } = await probe(context, bare);
      expect(values(page), JSON.stringify(page)).toEqual(['blocked']);
      expect(values(worker), JSON.stringify(worker)).toEqual(['blocked']);
    }));

  it('is what blocks: without it the same probes get through', () =>
    inPrivate(async (context) => {
      const { page, worker } = await probe(context, bare);
      const possible = {
        foreignFetch: 'allowed',
        foreignPost: 'allowed',
        foreignImport: 'allowed',
      };
      const code = { eval: 'allowed', newFunction: 'allowed', blobWorker: 'allowed' };
      const shown = { innerHtml: 'allowed', inlineScript: 'allowed', foreignImage: 'allowed' };
      expect(page).toMatchObject({ ...possible, ...code, ...shown, foreignForm: 'allowed' });
      expect(worker).toMatchObject({ ...possible, ...code, newPolicy: 'allowed' });
    }));

  it('needs no shared memory, and so no isolation of the page', () =>
    inPrivate(async (context) => {
      const page = await openServed(context, strict);
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
      expect(await page.evaluate(() => 'SharedArrayBuffer' in globalThis)).toBe(false);
    }));
});

const PICTURE = join(repository, 'tests/fixtures/pictures/plain.png');

/** Makes a video of a small picture and waits for it. */
async function generate(page: Page): Promise<void> {
  await page.waitForSelector('input[value=preview]');
  const input = await page.$('input[type=file]');
  await input?.uploadFile(PICTURE);
  await page.click('input[value=preview]');
  await page.click('#generate');
  await page.waitForSelector('#progress', { visible: true });
  await page.waitForSelector('#progress', { hidden: true, timeout: 200_000 });
  expect(await page.$$eval('#error', ([note]) => note?.textContent)).toBeUndefined();
  await page.waitForSelector('#result', { visible: true });
}

describe('a whole session', () => {
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    context = await browser.createBrowserContext();
    proxy.log.length = 0;
    page = await openServed(context, strict);
  });
  afterAll(async () => {
    proxy.cut = false;
    await context.close();
  });

  it('asks the page’s own host alone, and sends nothing: sample, video, four files', async () => {
    await page.waitForSelector('.sample');
    await page.click('.sample');
    await generate(page);
    for (const id of ['download', 'save-webm', 'save-gif', 'save-png']) {
      await page.waitForSelector(`#${id}`);
      await page.click(`#${id}`);
    }
    await page.waitForSelector('#download');
    const asked = askedFor();
    const others = asked.filter(
      ({ method, url, bodyBytes }) =>
        method !== 'GET' || !url.startsWith(strict.url) || url.includes('?') || bodyBytes > 0,
    );
    expect(others, JSON.stringify(asked, undefined, 1)).toEqual([]);
    expect(proxy.log.length).toBeGreaterThan(8);
  });

  it('goes on without a network: reload, another video, not one request', async () => {
    proxy.cut = true;
    proxy.log.length = 0;
    await page.reload();
    await generate(page);
    // The browser itself looks for a newer service worker at each visit.
    const asked = askedFor().filter(({ url }) => url !== `${strict.url}service-worker.js`);
    expect(asked).toEqual([]);
  });

  it('leaves nothing behind once everything is erased', async () => {
    proxy.cut = false;
    const kept = (): Promise<string[]> =>
      page.evaluate(async () => {
        const names: string[] = [];
        for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
        return names;
      });
    expect(await kept()).toEqual(expect.arrayContaining(['results', 'frames']));
    await page.click('#erase');
    const loaded = page.waitForNavigation();
    await page.waitForSelector('#erase-now');
    await page.click('#erase-now');
    await loaded;
    await page.waitForSelector('.sample');
    expect(await kept()).not.toContain('frames');
    const videos = await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const results = await root.getDirectoryHandle('results').catch(() => undefined);
      let count = 0;
      for await (const _ of results?.keys() ?? []) count++;
      return count;
    });
    expect(videos).toBe(0);
  });
});

describe('the installed app', () => {
  it('can be installed', async () => {
    const page = await browser.newPage();
    await page.goto(strict.url);
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    const session = await page.createCDPSession();
    const manifest = await session.send('Page.getAppManifest');
    expect(manifest.errors).toEqual([]);
    expect(manifest.url).toBe(`${strict.url}manifest.webmanifest`);
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    expect(installabilityErrors).toEqual([]);
    await page.close();
  });

  it('takes a picture that another app shares, without a request', () =>
    inPrivate(async (context) => {
      const page = await openServed(context, strict);
      proxy.log.length = 0;
      const bytes = [...readFileSync(PICTURE)];
      const kept = await page.evaluate(async (content) => {
        const form = new FormData();
        form.append(
          'picture',
          new File([Uint8Array.from(content)], 'a.png', { type: 'image/png' }),
        );
        await fetch('./share', { method: 'POST', body: form, redirect: 'manual' });
        const cache = await caches.open('zoetrope-shared');
        return (await (await cache.match(new URL('picture', location.href)))?.blob())?.size;
      }, bytes);
      expect(kept).toBe(bytes.length);
      expect(askedFor()).toEqual([]);
      await page.reload();
      await page.waitForFunction(async () => !(await caches.has('zoetrope-shared')));
    }));

  it('is replaced by a newer version only when asked to, and not while a video is made', () =>
    inPrivate(async (context) => {
      const page = await openServed(context, strict);
      mounts['/service-worker.js'] = join(folder, 'next.js');
      try {
        await page.evaluate(async () => {
          const registration = await navigator.serviceWorker.getRegistration();
          await registration?.update();
        });
        await page.waitForFunction(
          async () =>
            (await navigator.serviceWorker.getRegistration())?.waiting?.state === 'installed',
        );
        const outcome = await page.evaluate(async () => {
          const registration = await navigator.serviceWorker.getRegistration();
          const ask = (): Promise<unknown> =>
            new Promise((resolve) => {
              const { port1, port2 } = new MessageChannel();
              port1.addEventListener('message', ({ data }) => resolve(data));
              port1.start();
              registration?.waiting?.postMessage({ type: 'activate' }, [port2]);
            });
          const during = await navigator.locks.request(
            'zoetrope/generation',
            { mode: 'shared' },
            ask,
          );
          const stillWaits = registration?.waiting?.state;
          const replaced = new Promise((resolve) => {
            navigator.serviceWorker.addEventListener('controllerchange', () => resolve('replaced'));
          });
          return [during, stillWaits, await ask(), await replaced];
        });
        expect(outcome).toEqual([
          { activated: false },
          'installed',
          { activated: true },
          'replaced',
        ]);
      } finally {
        delete mounts['/service-worker.js'];
      }
    }));
});
