import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp, repository } from './app.ts';
import type { OpenApp } from './app.ts';

const PICTURE = join(repository, 'tests/fixtures/pictures/plain.png');

let app: OpenApp;

beforeAll(async () => {
  app = await openApp();
});

afterAll(() => app?.close());

const text = (selector: string): Promise<string> =>
  app.page.$eval(selector, (element) => element.textContent ?? '');
const isShown = (selector: string): Promise<boolean> =>
  app.page.$eval(selector, (element) => element.checkVisibility());

async function choose(path: string): Promise<void> {
  const input = await app.page.$('input[type=file]');
  await input?.uploadFile(path);
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
    expect(await text('#error')).toBe('Choose a picture first.');
  });

  it('says what is wrong with a file that is no picture', async () => {
    await choose(join(repository, 'package.json'));
    await app.page.click('#generate');
    await app.page.waitForSelector('#error', { visible: true });
    expect(await text('#error')).toContain('no picture');
  });

  it('makes a video of a picture, with progress on the way', async () => {
    await choose(PICTURE);
    await app.page.click('input[value=preview]');
    await app.page.click('#generate');
    await app.page.waitForSelector('#progress', { visible: true });
    expect(await app.page.$eval('#generate', (button) => button.hasAttribute('disabled'))).toBe(
      true,
    );
    await app.page.waitForSelector('#progress', { hidden: true, timeout: 200_000 });
    expect(await app.page.$$eval('#error', ([note]) => note?.textContent)).toBeUndefined();
    expect(await isShown('#result')).toBe(true);
    await app.page.waitForFunction(() => document.querySelector('video')?.readyState === 4);
    const seconds = await app.page.$eval('video', (video) => video.duration);
    expect(seconds).toBeCloseTo(25 / 24, 2);
    expect(await text('#facts')).toContain('25 frames');
    expect(await app.page.$eval('#download', (link) => link.getAttribute('href'))).toMatch(
      /^blob:/,
    );
  });

  it('stops when asked to, and can begin again', async () => {
    await app.page.click('#generate');
    await app.page.waitForSelector('#progress', { visible: true });
    await app.page.keyboard.press('Escape');
    await app.page.waitForSelector('#error', { visible: true, timeout: 10_000 });
    expect(await text('#error')).toBe('Cancelled.');
    expect(await app.page.$eval('#generate', (button) => button.hasAttribute('disabled'))).toBe(
      false,
    );
  });

  it('complained of nothing and sent nothing anywhere', () => {
    expect(app.complaints).toEqual([]);
    // `data:` are the icons of the browser's own player.
    const own = [`GET ${app.url}`, `GET blob:${app.url}`, 'GET data:'];
    const others = app.requests.filter(
      (request) => !own.some((start) => request.startsWith(start)),
    );
    expect(others).toEqual([]);
  });

  it('says that the graphics driver restarted, and works again', async () => {
    await app.page.click('#generate');
    await app.page.waitForSelector('#progress', { visible: true });
    await app.crashGpu();
    await app.page.waitForSelector('#error', { visible: true, timeout: 10_000 });
    expect(await text('#error')).toContain('graphics driver restarted');
    await app.page.click('#generate');
    await app.page.waitForSelector('#progress', { visible: true });
    await app.page.keyboard.press('Escape');
    await app.page.waitForFunction(() => !document.querySelector('#generate:disabled'));
  });
});
