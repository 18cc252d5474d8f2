import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp } from './app.ts';
import { choose, LOOKS, violations } from './looks.ts';
import type { OpenApp } from './app.ts';

let app: OpenApp;

beforeAll(async () => {
  app = await openApp();
});

afterAll(() => app?.close());

describe.each(LOOKS)('in %s, %s', (locale, theme) => {
  beforeAll(() => choose(app.page, locale, theme));

  it('axe-core finds nothing wrong with the page before a picture is chosen', async () => {
    expect(await violations(app.page)).toEqual([]);
  });

  it('nor with a picture and the advanced settings open', async () => {
    const { page } = app;
    await page.click('.sample');
    await page.waitForSelector('#picture');
    await page.$eval('.advanced', (details) => details.setAttribute('open', ''));
    expect(await violations(app.page)).toEqual([]);
    await page.reload();
  });

  it('nor with the models', async () => {
    const { page } = app;
    await page.waitForSelector('#open-models');
    await page.click('#open-models');
    await page.waitForSelector('#models .model + .model');
    expect(await violations(app.page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.waitForSelector('#models', { hidden: true });
  });
});

describe('on a narrow screen', () => {
  beforeAll(async () => {
    await app.page.setViewport({ width: 320, height: 640, hasTouch: true });
    await choose(app.page, 'en', 'light');
  });

  it('nothing is wider than 320 pixels', async () => {
    const widths = await app.page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    expect(widths).toEqual([320, 320]);
  });

  it('everything that is pressed is at least 44 pixels high and wide', async () => {
    await app.page.$eval('.advanced', (details) => details.setAttribute('open', ''));
    const small = await app.page.$$eval(
      'button, select, summary, label.button, label.check, label.choice, input[type=range], input[type=number], input[type=text], textarea',
      (parts) =>
        parts
          .filter((part) => part.checkVisibility())
          .map((part) => ({ part, box: part.getBoundingClientRect() }))
          .filter(({ box }) => box.width < 44 || box.height < 44)
          .map(({ part, box }) => `${part.outerHTML.slice(0, 80)} ${box.width} × ${box.height}`),
    );
    expect(small).toEqual([]);
  });
});

describe('words', () => {
  it('all come from the language files', async () => {
    const { page, url } = app;
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(`${url}?pseudo`);
    await page.waitForSelector('#open-models');
    await page.click('.sample');
    await page.waitForSelector('#picture');
    await page.$eval('.advanced', (details) => details.setAttribute('open', ''));
    const bare = await page.evaluate(() => {
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const found: string[] = [];
      while (texts.nextNode()) {
        const { textContent, parentElement } = texts.currentNode;
        // Names of languages and ratios are the same in all of them.
        if (parentElement?.closest('script, noscript, #language, #shape')) continue;
        // Values may be texts themselves: the innermost first.
        let outside = textContent ?? '';
        while (/⟦[^⟦⟧]*⟧/.test(outside)) outside = outside.replace(/⟦[^⟦⟧]*⟧/g, '');
        if (/[a-z]{2}/i.test(outside)) found.push(outside);
      }
      return found;
    });
    expect(bare).toEqual([]);
  });
});
