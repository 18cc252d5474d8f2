/**
 * `npm run screenshots`: pictures of the page for the documentation, in both languages and both themes, on a desktop and
 * on a phone. Makes one short video on the way, so that there is something to see.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { openInBrowser } from './lib/browser.mjs';
import { builtApp } from './lib/build.mjs';
import { serve } from './lib/serve.mjs';
import { root } from './lib/steps.mjs';

/** @typedef {import('puppeteer').Page} Page */

const QUALITY = 82;
const FRAMES = 5;
const MOST_MS = 600_000;

const SCREENS = {
  desktop: { width: 1280, height: 860, deviceScaleFactor: 1 },
  phone: { width: 390, height: 844, deviceScaleFactor: 1, hasTouch: true, isMobile: true },
};
const LOCALES = ['en', 'zh-CN'];
const THEMES = ['light', 'dark'];

const fonts = spawnSync('fc-list', [':lang=zh-cn'], { encoding: 'utf8' });
if (fonts.status === 0 && fonts.stdout.trim() === '') {
  console.error(
    'screenshots: no font has Chinese characters — install one, such as fonts-noto-cjk',
  );
  process.exit(1);
}

const server = await serve(builtApp());
const { browser, page } = await openInBrowser(server.url, async () => true);
try {
  await page.setViewport(SCREENS.desktop);
  await makeVideo(page);
  for (const locale of LOCALES) {
    for (const theme of THEMES) {
      for (const [name, screen] of Object.entries(SCREENS)) {
        await page.setViewport(screen);
        await page.reload();
        await choose(page, locale, theme);
        await (name === 'desktop' ? showVideo(page) : choosePicture(page));
        const path = join(root, `docs/media/app-${name}-${theme}-${locale}.jpg`);
        await page.screenshot({ path, type: 'jpeg', quality: QUALITY });
        console.log(path);
      }
    }
  }
} finally {
  await browser.close();
  await server.close();
}

/** @param {Page} page */
async function makeVideo(page) {
  await page.waitForSelector('#generate');
  await choose(page, 'en', 'light');
  await choosePicture(page);
  await page.click('input[value=preview]');
  await page.$eval('.advanced', (details) => details.setAttribute('open', ''));
  await page.type('#frames', String(FRAMES));
  await page.type('#steps', '1');
  await page.type('#prompt', 'drifting clouds, slowly zoom in');
  await page.click('#generate');
  await page.waitForSelector('#result', { timeout: MOST_MS });
  await page.click('#reset');
}

/**
 * @param {Page} page
 * @param {string} locale
 * @param {string} theme
 */
async function choose(page, locale, theme) {
  await page.waitForSelector('#language');
  await page.select('#language', locale);
  await page.select('#theme', theme);
  await page.waitForFunction((lang) => document.documentElement.lang === lang, {}, locale);
  await page.waitForFunction(
    () => document.querySelector('#adapter')?.textContent?.endsWith('…') === false,
  );
}

/** @param {Page} page */
async function choosePicture(page) {
  await page.waitForSelector('.sample');
  await page.click('.sample');
  await page.waitForSelector('#picture');
  await page.waitForFunction(
    () => [...document.querySelectorAll('.estimate')].every(({ textContent }) => textContent),
    { timeout: MOST_MS },
  );
}

/** @param {Page} page */
async function showVideo(page) {
  await page.waitForSelector('.tile img');
  await choosePicture(page);
  await page.click('.tile .frame');
  await page.waitForSelector('#result video');
  await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 0.05);
  await page.click('#play');
  await page.evaluate(() => scrollTo(0, 0));
}
