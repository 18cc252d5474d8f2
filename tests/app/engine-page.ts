/** The commands' page of the built app with the tiny model beside it, in a browser that outlives crashes of its GPU process. */
import { join } from 'node:path';
import process from 'node:process';
import type { Page } from 'puppeteer';
import type { AutomationJob, AutomationResult, Noted } from '../../src/app/automation.ts';
import { openInBrowser } from '../../scripts/lib/browser.mjs';
import { builtApp } from '../../scripts/lib/build.mjs';
import { serve } from '../../scripts/lib/serve.mjs';
import { crashGpu, TINY_MODEL } from './app.ts';

/** Browsers give up on a GPU that crashes again and again, which is what is tested. */
const FLAGS = [
  '--disable-gpu-process-crash-limit',
  '--disable-domain-blocking-for-3d-apis',
  '--disable-gpu-watchdog', // a busy processor takes long to compile, and is no broken driver
];

export type EnginePage = {
  readonly page: Page;
  /** Address of the folder with the tiny model. */
  readonly model: { readonly folder: string };
  /** What the page wrote to its console as an error, and what it threw. */
  readonly complaints: string[];
  /** Opens the page anew: a new worker. */
  reopen(): Promise<void>;
  /** Resolves to what a run gave; never rejects, even when the page goes away. */
  run(job: AutomationJob): Promise<AutomationResult>;
  notices(): Promise<readonly Noted[]>;
  /** Resolves when the run that goes on has come to a step of a stage. */
  reaches(stage: string, step: number): Promise<void>;
  crashGpu(): Promise<void>;
  close(): Promise<void>;
};

/** Opens the page; `files` are served beside, by address. */
export async function openEnginePage(
  files: Readonly<Record<string, string>> = {},
): Promise<EnginePage> {
  const tiny = Object.fromEntries(
    ['config.json', 'model.safetensors'].map((name) => [`/tiny/${name}`, join(TINY_MODEL, name)]),
  );
  const server = await serve(builtApp(process.env['ZOETROPE_APP']), { ...tiny, ...files });
  const address = `${server.url}animate.html`;
  const choice = { software: true, flags: FLAGS };
  const { browser, page } = await openInBrowser(address, async () => true, choice);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const ready = async (): Promise<void> =>
    void (await page.waitForFunction(() => 'zoetrope' in globalThis));
  await ready();
  return {
    ...{ page, complaints, model: { folder: `${server.url}tiny` } },
    async reopen() {
      await page.goto(address);
      await ready();
    },
    run: (job) =>
      page
        .evaluate((given) => zoetrope.animate(given), job)
        .catch((error: unknown) => ({
          ok: false,
          failure: { code: 'test/page', message: String(error) },
        })),
    notices: () => page.evaluate(() => [...zoetrope.notices()]),
    reaches: async (stage, step) =>
      void (await page.waitForFunction(
        (name, least) => {
          const now = zoetrope.progress();
          return now?.stage === name && now.step >= least;
        },
        { polling: 20, timeout: 60_000 },
        stage,
        step,
      )),
    crashGpu: () => crashGpu(browser),
    async close() {
      await browser.close();
      await server.close();
    },
  };
}
