import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp, repository } from './app.ts';
import type { OpenApp } from './app.ts';

const PICTURE = join(repository, 'tests/fixtures/pictures/plain.png');

let app: OpenApp;

beforeAll(async () => {
  app = await openApp();
  await app.page.goto(`${app.url}?profile&tune`);
});

afterAll(() => app?.close());

async function generate(): Promise<void> {
  const input = await app.page.$('input[type=file]');
  await input?.uploadFile(PICTURE);
  await app.page.click('input[value=preview]');
  await app.page.click('#generate');
  await app.page.waitForSelector('#progress', { visible: true });
  await app.page.waitForSelector('#progress', { hidden: true, timeout: 200_000 });
}

const rowsOf = (title: string): Promise<string[][]> =>
  app.page.$$eval(
    '#profile table',
    (tables, wanted) => {
      const table = tables.find(({ caption }) => caption?.textContent === wanted);
      const rows = [...(table?.tBodies[0]?.rows ?? [])];
      return rows.map(({ cells }) => [...cells].map(({ textContent }) => textContent ?? ''));
    },
    title,
  );

/** Clicks a link and resolves to the text of the file that it saves. */
async function downloaded(selector: string, name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'download-'));
  const session = await app.page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
  const path = join(folder, name);
  await app.page.click(selector);
  await expect.poll(() => existsSync(path), { timeout: 10_000 }).toBe(true);
  const text = await readFile(path, 'utf8');
  await rm(folder, { recursive: true });
  return text;
}

type Event = { ph: string; name: string; ts?: number; dur?: number; tid: number; cat?: string };

describe('the page with ?profile', () => {
  it('shows the time of every stage and kernel', async () => {
    await generate();
    await app.page.waitForSelector('#profile', { visible: true });
    const stages = await rowsOf('Stages');
    expect(stages.map(([stage]) => stage)).toEqual(['encode', 'denoise', 'render']);
    for (const [, dispatches, busy] of stages) {
      expect(Number(dispatches)).toBeGreaterThan(0);
      expect(Number(busy)).toBeGreaterThan(0);
    }
    const kernels = await rowsOf('Kernels');
    expect(kernels.some(([name]) => name === 'render / warp')).toBe(true);
    const calls = kernels.reduce((sum, [, count]) => sum + Number(count), 0);
    expect(calls).toBe(stages.reduce((sum, [, count]) => sum + Number(count), 0));
  });

  it('draws a flame chart', async () => {
    const colours = await app.page.$eval('canvas.flame', (node) => {
      if (!(node instanceof HTMLCanvasElement)) return 0;
      const canvas = node;
      const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data;
      return new Set(new Uint32Array(data?.buffer ?? new ArrayBuffer(0))).size;
    });
    expect(colours).toBeGreaterThan(4);
  });

  it('saves a trace that Perfetto reads', async () => {
    const { traceEvents } = JSON.parse(await downloaded('#trace', 'zoetrope-trace.json')) as {
      traceEvents: Event[];
    };
    const complete = traceEvents.filter(({ ph }) => ph === 'X');
    expect(traceEvents.every(({ ph }) => ph === 'X' || ph === 'M')).toBe(true);
    expect(complete.length).toBeGreaterThan(20);
    for (const { ts = -1, dur = -1 } of complete) {
      expect(ts).toBeGreaterThanOrEqual(0);
      expect(dur).toBeGreaterThanOrEqual(0);
    }
  });

  it('keeps timings of kernel variants for the next run', async () => {
    const records = await app.page.evaluate(
      () =>
        new Promise<Record<string, unknown>[]>((resolve, reject) => {
          const request = indexedDB.open('zoetrope-tuning');
          request.addEventListener('error', () => reject(new Error('no database')));
          request.addEventListener('success', () => {
            const all = request.result.transaction('records').objectStore('records').getAll();
            all.addEventListener('success', () => {
              request.result.close();
              resolve(all.result as Record<string, unknown>[]);
            });
          });
        }),
    );
    expect(records.length).toBe(1);
    expect(Object.keys(records[0] ?? {}).length).toBeGreaterThan(0);
    expect(app.complaints).toEqual([]);
  });
});
