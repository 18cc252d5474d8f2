import { join } from 'node:path';
import process from 'node:process';
import type { Browser, BrowserContext, Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInBrowser } from '../../scripts/lib/browser.mjs';
import { builtApp } from '../../scripts/lib/build.mjs';
import { serve } from '../../scripts/lib/serve.mjs';
import type { LoggingProxy } from '../helpers/logging-proxy.ts';
import { loggingProxy } from '../helpers/logging-proxy.ts';
import { repository, tinyFiles } from './app.ts';

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

beforeAll(async () => {
  const picture = join(repository, 'tests/fixtures/pictures/plain.png');
  const dist = builtApp(process.env['ZOETROPE_APP']);
  const probes = join(repository, 'tests/fixtures/probes');
  const mounts = { ...tinyFiles(dist), '/probes': probes };
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
