import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { builtApp } from '../../scripts/lib/build.mjs';
import { openApp } from './app.ts';
import type { OpenApp } from './app.ts';

const MOST_BYTES = 150_000;

let app: OpenApp;

beforeAll(async () => {
  // Without the service worker, whose copy for use without a network comes later and waits for nobody.
  app = await openApp({ workersFirst: true });
});

afterAll(() => app?.close());

it('the page is ready to be used after 150 kB, compressed', async () => {
  await app.page.waitForFunction(
    () => document.querySelector('#adapter')?.textContent?.startsWith('Running'),
    { timeout: 60_000 },
  );
  const paths = [...new Set(app.requests.map((request) => request.replace('GET ', '')))]
    .filter((url) => url.startsWith(app.url) && !url.endsWith('service-worker.js'))
    .map((url) => new URL(url).pathname);
  const dist = builtApp(process.env['ZOETROPE_APP']);
  const sizes = paths.map((path) => {
    const bytes = readFileSync(join(dist, path === '/' ? 'index.html' : path));
    return { path, bytes: gzipSync(bytes, { level: 9 }).byteLength };
  });
  expect(paths.some((path) => /\/worker-/.test(path))).toBe(true);
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const list = sizes.map(({ path, bytes }) => `${bytes} ${path}`).join('\n');
  console.log(`first load: ${total} bytes\n${list}`);
  expect(total, list).toBeLessThanOrEqual(MOST_BYTES);
});
