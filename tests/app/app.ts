/** The built app for tests: served as the commands serve it, in a browser on the software adapter. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Browser, Page } from 'puppeteer';
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
  /**
   * Puts a script before those of all workers and loads the page again: what it changes is what the worker finds. Only in an
   * app that was opened with `workersFirst`.
   */
  reopen(workersFirst: string, query?: string): Promise<void>;
  /** Ends the GPU process of its browser. */
  crashGpu(): Promise<void>;
  close(): Promise<void>;
};

export type AppOptions = {
  /** Whether `reopen` will be used: no service worker then, which would keep the scripts as they were. */
  readonly workersFirst?: boolean;
};

/** Opens the page with the tiny model's files in place of the built-in model's. */
export async function openApp({ workersFirst = false }: AppOptions = {}): Promise<OpenApp> {
  // ZOETROPE_APP names a built app to test in place of the one in dist/.
  const dist = builtApp(process.env['ZOETROPE_APP']);
  const scripts = workersFirst ? changeableScripts(dist) : undefined;
  const server = await serve(dist, { ...tinyFiles(dist), ...scripts?.mounts });
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
    async reopen(first, query = '') {
      scripts?.begin(first);
      await page.goto(`${server.url}${query}`);
      await page.waitForSelector('#generate');
    },
    crashGpu: () => crashGpu(browser),
    async close() {
      await browser.close();
      await server.close();
      scripts?.drop();
    },
  };
}

/** Ends the GPU process of `browser`, as a driver that restarts does. */
export async function crashGpu(browser: Browser): Promise<void> {
  const session = await browser.target().createCDPSession();
  // The answer may go down with the process.
  await session.send('Browser.crashGpuProcess').catch(() => undefined);
}

/** The scripts of a build's workers as files that can be changed while they are served. */
function changeableScripts(dist: string) {
  const scratch = mkdtempSync(join(tmpdir(), 'workers-'));
  const names = readdirSync(join(dist, 'assets')).filter((name) => /worker-.*\.js$/.test(name));
  const begin = (first: string): void => {
    for (const name of names) {
      const text = readFileSync(join(dist, 'assets', name), 'utf8');
      writeFileSync(join(scratch, name), `${first}\n${text}`);
    }
  };
  begin('');
  const mounts = Object.fromEntries(
    names.map((name) => [`/assets/${name}`, join(scratch, name)] as const),
  );
  return {
    mounts: { ...mounts, '/service-worker.js': join(scratch, 'none.js') },
    begin,
    drop: () => rmSync(scratch, { recursive: true }),
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
