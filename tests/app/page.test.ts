import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp, repository } from './app.ts';
import type { OpenApp } from './app.ts';
import { choose, LOOKS, violations } from './looks.ts';

const PICTURE = join(repository, 'tests/fixtures/pictures/plain.png');
const FRAMES = 9;

let app: OpenApp;
let folder: string;

beforeAll(async () => {
  app = await openApp();
  folder = await mkdtemp(join(tmpdir(), 'page-'));
  const session = await app.page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
});

afterAll(async () => {
  await app?.close();
  await rm(folder, { recursive: true });
});

const text = (selector: string): Promise<string> =>
  app.page.$eval(selector, (element) => element.textContent ?? '');
const count = (selector: string): Promise<number> =>
  app.page.$$eval(selector, (found) => found.length);

async function pick(...paths: readonly string[]): Promise<void> {
  const input = await app.page.$('input[type=file]');
  await input?.uploadFile(...paths);
}

async function set(selector: string, value: string): Promise<void> {
  await app.page.$eval(
    selector,
    (field, wanted) => {
      if (!(field instanceof HTMLInputElement)) throw new TypeError('no field');
      field.value = wanted;
      field.dispatchEvent(new Event('input', { bubbles: true }));
      field.dispatchEvent(new Event('change', { bubbles: true }));
    },
    value,
  );
}

/** Clicks and resolves to the bytes of the file that is saved then. */
async function saved(selector: string, ending: string): Promise<Buffer> {
  await app.page.click(selector);
  const find = async (): Promise<string | undefined> =>
    (await readdir(folder)).find((name) => name.endsWith(ending));
  await expect.poll(find, { timeout: 60_000 }).toBeDefined();
  const path = join(folder, (await find()) ?? '');
  await expect.poll(() => existsSync(path)).toBe(true);
  return readFile(path);
}

describe('the page', () => {
  it('says that it runs on the processor', async () => {
    await app.page.waitForFunction(() =>
      document.querySelector('#adapter')?.textContent?.startsWith('Running'),
    );
    expect(await text('#adapter')).toContain('not on a graphics card');
  });

  it('asks for a picture first', async () => {
    await app.page.click('#generate');
    await app.page.waitForSelector('#error');
    expect(await text('#error')).toBe('Choose a picture first.');
  });

  it('says at once what is wrong with a file that is no picture', async () => {
    await pick(join(repository, 'package.json'));
    await app.page.waitForFunction(() =>
      document.querySelector('#error')?.textContent?.includes('no picture'),
    );
    expect(await count('#picture')).toBe(0);
  });

  it('shows the picture, with size and length of each quality', async () => {
    await pick(PICTURE);
    await app.page.waitForSelector('#picture', { visible: true });
    expect(await count('#error')).toBe(0);
    await app.page.click('input[value=preview]');
    const facts = await app.page.$$eval('.choice .facts:not(.estimate)', (all) =>
      all.map(({ textContent }) => textContent),
    );
    expect(facts).toHaveLength(3);
    for (const each of facts) expect(each).toMatch(/^\d+ × \d+ · \d+ frames$/);
  });

  it('says what each quality takes here, in time and memory', async () => {
    await app.page.waitForFunction(
      () => [...document.querySelectorAll('.estimate')].every(({ textContent }) => textContent),
      { timeout: 60_000 },
    );
    const estimates = await app.page.$$eval('.estimate', (all) =>
      all.map(({ textContent }) => textContent ?? ''),
    );
    for (const each of estimates) expect(each).toMatch(/^about .+ · .+B memory · \w+/);
  });

  it('moves the crop with the arrow keys where the shape is another', async () => {
    await app.page.$eval('.advanced', (details) => details.setAttribute('open', ''));
    await app.page.select('#shape', '1:1');
    await app.page.waitForSelector('#crop[tabindex="0"]');
    const left = (): Promise<number> =>
      app.page.$eval('#crop', (frame) => frame.getBoundingClientRect().left);
    const before = await left();
    await app.page.focus('#crop');
    await app.page.keyboard.press('ArrowRight');
    await app.page.waitForFunction(
      (old) => (document.querySelector('#crop')?.getBoundingClientRect().left ?? 0) > old,
      {},
      before,
    );
    await app.page.select('#shape', 'picture');
  });

  it('makes a video with the keyboard alone, with stages and signs of life on the way', async () => {
    await set('#frames', String(FRAMES));
    await app.page.$eval('#live', (live) => {
      const heard: [at: number, words: string][] = [];
      new MutationObserver(() => heard.push([performance.now(), live.textContent ?? ''])).observe(
        live,
        { childList: true, characterData: true, subtree: true },
      );
      Object.assign(globalThis, { heard });
    });
    await app.page.keyboard.down('Control');
    await app.page.keyboard.press('Enter');
    await app.page.keyboard.up('Control');
    await app.page.waitForSelector('#progress', { visible: true });
    await app.page.waitForSelector('.pulse.alive', { timeout: 30_000 });
    await app.page.waitForFunction(() => /^\d+/.test(document.title), { timeout: 60_000 });
    const { role, value } = await app.page.$eval('#bar', (bar) => ({
      role: bar.getAttribute('role'),
      value: bar.getAttribute('aria-valuetext'),
    }));
    expect(role).toBe('progressbar');
    expect(value?.length).toBeGreaterThan(5);
    await app.page.waitForSelector('#progress', { hidden: true, timeout: 200_000 });
    expect(await app.page.$$eval('#error', ([note]) => note?.textContent)).toBeUndefined();
    await app.page.waitForSelector('#result', { visible: true });
    await app.page.waitForFunction(() => document.querySelector('video')?.readyState === 4);
    const seconds = await app.page.$eval('video', (video) => video.duration);
    expect(seconds).toBeCloseTo(FRAMES / 24, 2);
    expect(await text('#facts')).toContain(`${FRAMES} frames`);
  });

  it('told a screen reader of it at most every ten seconds, and of its end', async () => {
    const heard = await app.page.evaluate(
      () => (globalThis as unknown as { heard: [number, string][] }).heard,
    );
    expect(heard.at(-1)?.[1]).toBe('The video is ready.');
    const told = heard.slice(0, -1).map(([at]) => at);
    expect(told.length).toBeGreaterThan(0);
    for (const [i, at] of told.slice(1).entries()) {
      expect(at - (told[i] ?? 0)).toBeGreaterThan(9_900);
    }
  });

  it('shows each frame alone', async () => {
    await set('#scrub', '3');
    await app.page.waitForFunction(
      () => Math.abs((document.querySelector('video')?.currentTime ?? 0) - 3.5 / 24) < 0.01,
    );
    expect(await app.page.$eval('video', (video) => video.paused)).toBe(true);
  });

  it.each(LOOKS)('is open to everyone with a video and its history, in %s, %s', async (...look) => {
    await choose(app.page, ...look);
    expect(await violations(app.page)).toEqual([]);
    await choose(app.page, 'en', 'light');
  });

  it('plays there and back, without doubled ends', async () => {
    await app.page.select('#play-mode', 'pingPong');
    await app.page.waitForFunction(
      (frames) =>
        Math.abs((document.querySelector('video')?.duration ?? 0) - (2 * frames - 2) / 24) < 0.01,
      { timeout: 60_000 },
      FRAMES,
    );
    await app.page.select('#play-mode', 'loop');
  });

  it('saves the video in other forms', async () => {
    expect((await saved('#download', '.mp4')).subarray(4, 8).toString()).toBe('ftyp');
    await app.page.waitForSelector('#save-gif');
    expect((await saved('#save-gif', '.gif')).subarray(0, 3).toString()).toBe('GIF');
  });

  it('takes the settings of a saved video over', async () => {
    await app.page.click('#reset');
    expect(await app.page.$eval('#frames', (field) => (field as HTMLInputElement).value)).toBe('');
    const video = (await readdir(folder)).find((name) => name.endsWith('.mp4')) ?? '';
    await app.page.click('.views .chip');
    await app.page.waitForSelector('input[type=file]');
    await pick(join(folder, video));
    await app.page.waitForFunction(
      (frames) =>
        document.querySelector<HTMLInputElement>('#frames')?.value === String(frames) &&
        document.querySelector<HTMLInputElement>('input[value=preview]')?.checked,
      {},
      FRAMES,
    );
  });

  it('queues one video for each seed, in an order that can be changed', async () => {
    await set('#seeds', '3');
    await app.page.click('#generate');
    await app.page.waitForFunction(() => document.querySelectorAll('.job').length === 3);
    const names = (): Promise<string[]> =>
      app.page.$$eval('.job .name', (all) => all.map(({ textContent }) => textContent ?? ''));
    expect((await names()).map((name) => /seed (\d+)/.exec(name)?.[1])).toEqual(['0', '1', '2']);
    await app.page.click('.job:last-child .acts button');
    await app.page.waitForFunction(() =>
      document.querySelectorAll('.job .name')[1]?.textContent?.includes('seed 2'),
    );
    // The two that wait are taken out.
    for (const left of [2, 1]) {
      await app.page.click('.job:last-child .acts button:last-child');
      await app.page.waitForFunction(
        (most) => document.querySelectorAll('.job').length <= most,
        {},
        left === 1 ? 0 : left,
      );
    }
    await set('#seeds', '1');
  });

  it('stops when asked to, and can begin again', async () => {
    await app.page.waitForSelector('#progress', { visible: true });
    await app.page.keyboard.press('Escape');
    await app.page.waitForSelector('#error', { visible: true, timeout: 10_000 });
    expect(await text('#error')).toBe('Cancelled.');
    await app.page.waitForSelector('#progress', { hidden: true });
  });

  it('keeps the video over a refresh, and the wishes', async () => {
    await app.page.reload();
    await app.page.waitForSelector('.tile .frame');
    expect(await app.page.$eval('#frames', (field) => (field as HTMLInputElement).value)).toBe(
      String(FRAMES),
    );
    await app.page.click('.tile .frame');
    await app.page.waitForSelector('#result', { visible: true });
  });

  it('begins no video by itself where less motion is wanted', async () => {
    await app.page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
    await app.page.reload();
    await app.page.waitForSelector('.tile .frame');
    await app.page.click('.tile .frame');
    await app.page.waitForFunction(() => document.querySelector('video')?.readyState === 4);
    const { paused, animated } = await app.page.evaluate(() => ({
      paused: document.querySelector('video')?.paused,
      animated: document.getAnimations().filter(({ playState }) => playState === 'running').length,
    }));
    expect(paused).toBe(true);
    expect(animated).toBe(0);
    await app.page.emulateMediaFeatures([]);
  });

  it('says so where nothing moves, and what helps', async () => {
    await app.page.click('.views .chip');
    await app.page.waitForSelector('input[type=file]');
    await pick(PICTURE);
    await app.page.waitForSelector('#picture');
    await set('#motion', '0');
    await set('#frames', '3');
    await set('#steps', '1');
    await app.page.click('#generate');
    await app.page.waitForSelector('#still', { timeout: 200_000 });
    expect(await text('#still')).toContain('strength of motion');
  });

  it('complained of nothing and sent nothing anywhere', () => {
    expect(app.complaints).toEqual([]);
    const own = [`GET ${app.url}`, `GET blob:${app.url}`, 'GET data:'];
    const others = app.requests.filter(
      (request) => !own.some((start) => request.startsWith(start)),
    );
    expect(others).toEqual([]);
  });
});
