/** The built app for tests: served as the commands serve it, in a browser on the software adapter. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Page } from 'puppeteer';
import { openInBrowser } from '../../scripts/lib/browser.mjs';
import { builtApp } from '../../scripts/lib/build.mjs';
import { serve } from '../../scripts/lib/serve.mjs';

export const repository = join(import.meta.dirname, '../..');

/** A model of the built-in kind with few random weights. */
export const TINY_MODEL = join(repository, 'tests/fixtures/motion');

export type OpenApp = {
  readonly page: Page;
  readonly url: string;
  /** What the page wrote to its console as a warning or worse, and what it threw. */
  readonly complaints: string[];
  /** Method and address of every request. */
  readonly requests: string[];
  /** Ends the browser's GPU process, as a driver that restarts does. */
  crashGpu(): Promise<void>;
  close(): Promise<void>;
};

/** Opens the page with the tiny model's files in place of the built-in model's. */
export async function openApp(): Promise<OpenApp> {
  // ZOETROPE_APP names a built app to test in place of the one in dist/.
  const dist = builtApp(process.env['ZOETROPE_APP']);
  const server = await serve(dist, tinyFiles(dist));
  const { browser, page: first } = await openInBrowser(
    `${server.url}animate.html`,
    async () => true,
    {
      software: true,
    },
  );
  await first.close();
  const page = await browser.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warn') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
  await page.goto(server.url);
  return {
    ...{ page, complaints, requests, url: server.url },
    async crashGpu() {
      const session = await browser.target().createCDPSession();
      // The answer may go down with the process.
      await session.send('Browser.crashGpuProcess').catch(() => undefined);
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** The addresses of the built-in model in a build, with the tiny model's files behind them. */
export function tinyFiles(dist: string): Record<string, string> {
  const assets = readdirSync(join(dist, 'assets'));
  return Object.fromEntries(
    assets.flatMap((name) => {
      const [, stem, ending] = /^(config|model)-.*\.(json|safetensors)$/.exec(name) ?? [];
      return stem ? [[`/assets/${name}`, join(TINY_MODEL, `${stem}.${ending}`)]] : [];
    }),
  );
}
