/** One browser with the app's files, output and storage in a page, for the tests of all three. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { build } from 'vite';
import { openInBrowser } from '../../../scripts/lib/browser.mjs';
import { findProgram } from '../../../scripts/lib/find.mjs';
import { serve } from '../../../scripts/lib/serve.mjs';
import { wgslLoader } from '../../../wgsl-loader/index.ts';
import type { Media } from './page.ts';

export type Session = {
  readonly page: Page;
  readonly url: string;
  /** What the page wrote to its console as a warning or worse, and what it threw. */
  readonly complaints: readonly string[];
  /** Calls the page; its answers are plain data. */
  call<K extends keyof Media>(
    name: K,
    ...args: Parameters<Media[K]>
  ): Promise<Awaited<ReturnType<Media[K]>>>;
  close(): Promise<void>;
};

type Callable = { media: Record<string, (...all: unknown[]) => unknown> };

/** Builds the page, serves it under the app's policy and opens it. */
export async function openMedia(): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), 'zoetrope-media-'));
  await build({
    configFile: false,
    root: import.meta.dirname,
    base: './',
    logLevel: 'error',
    plugins: [wgslLoader()],
    define: { ABOUT: JSON.stringify({ version: '1.2.3', sources: 'abc' }) },
    worker: { format: 'es', plugins: () => [wgslLoader()] },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2023',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  });
  const server = await serve(folder);
  const { browser, page } = await openInBrowser(server.url, async () => true, { software: true });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warn') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return {
    ...{ page, complaints, url: server.url },
    call: (name, ...args) =>
      page.evaluate(
        (key, given) => (globalThis as unknown as Callable).media[key]?.(...given),
        name,
        args,
      ) as Promise<never>,
    async close() {
      await browser.close();
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Bytes as they travel into the page. */
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** The program that looks into videos, where it is installed. */
export const ffprobe = findProgram('ffprobe');

type Probed = {
  streams: Record<string, string>[];
  format: { tags: Record<string, string> };
};

/** Returns what ffprobe finds in a file. */
export function probe(ending: string, bytes: Uint8Array): Probed {
  const folder = mkdtempSync(join(tmpdir(), 'zoetrope-probe-'));
  const path = join(folder, `video.${ending}`);
  writeFileSync(path, bytes);
  const asked = ['-v', 'error', '-of', 'json', '-count_frames', '-show_streams', '-show_format'];
  const { stdout } = spawnSync(ffprobe ?? '', [...asked, path], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return JSON.parse(stdout) as Probed;
}

/** In the page: a JPEG of four colours, 64 × 32, in base64. */
export async function quadrants(): Promise<string> {
  const canvas = new OffscreenCanvas(64, 32);
  const context = canvas.getContext('2d');
  const colours = ['#f00', '#0f0', '#00f', '#fff'];
  colours.forEach((colour, i) => {
    if (!context) return;
    context.fillStyle = colour;
    context.fillRect(32 * (i % 2), 16 * Math.floor(i / 2), 32, 16);
  });
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 1 });
  return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
}
