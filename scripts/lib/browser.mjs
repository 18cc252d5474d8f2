/** Starts Chrome or Chromium without a window: on the graphics card when there is one, else on the processor. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import process from 'node:process';
import { CommandError, EXIT } from './command-error.mjs';
import { findChrome } from './find.mjs';

/** @typedef {import('puppeteer').Browser} Browser */
/** @typedef {import('puppeteer').Page} Page */

const COMMON_FLAGS = [
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--enable-unsafe-webgpu',
];

/** Chrome on Linux offers WebGPU on graphics cards only through Vulkan, and only when asked. */
const HARDWARE_FLAGS =
  process.platform === 'linux'
    ? [
        '--enable-features=Vulkan',
        '--use-angle=vulkan',
        '--disable-vulkan-surface',
        '--ignore-gpu-blocklist',
      ]
    : ['--ignore-gpu-blocklist'];

const SOFTWARE_FLAGS = [
  '--enable-features=Vulkan',
  '--use-angle=vulkan',
  '--use-vulkan=swiftshader',
  '--use-webgpu-adapter=swiftshader',
  '--disable-vulkan-surface',
];

/**
 * @typedef {object} BrowserChoice
 * @property {string} [path] the program; else CHROME, else what is installed
 * @property {boolean} [software] leave the graphics card alone
 * @property {readonly string[]} [flags] beside our own
 */

/**
 * Opens `url` in a new browser on which WebGPU works: `hasAdapter` asks the page. CHROME_FLAGS, when set, takes the
 * place of our own flags; CHROME_LIBS names folders with libraries for the browser alone; CHROME_LOG=1 shows what it says.
 * Throws a `CommandError` when there is no browser, or none with WebGPU.
 * @param {string} url
 * @param {(page: Page) => Promise<boolean>} hasAdapter
 * @param {BrowserChoice} [choice]
 * @returns {Promise<{ browser: Browser, page: Page }>}
 */
export async function openInBrowser(url, hasAdapter, choice = {}) {
  const executablePath = choice.path ?? process.env['CHROME'] ?? findChrome();
  if (executablePath === undefined) {
    throw new CommandError('no Chrome or Chromium found: install one, or name it with --browser');
  }
  if (!existsSync(executablePath)) {
    throw new CommandError(`no browser at ${executablePath}`, EXIT.badInput);
  }
  const { launch } = await puppeteer();
  const libraries = process.env['CHROME_LIBS'];
  /** @param {readonly string[]} flags */
  const start = (flags) =>
    launch({
      executablePath,
      headless: true,
      args: [...flags],
      protocolTimeout: 0,
      dumpio: process.env['CHROME_LOG'] === '1',
      handleSIGINT: false,
      env: { ...process.env, ...(libraries && { LD_LIBRARY_PATH: libraries }) },
    }).catch((cause) => {
      throw new CommandError(`${executablePath} does not start: ${firstLine(cause)}`);
    });
  for (const flags of flagSets(choice.software === true)) {
    const browser = await start([...flags, ...(choice.flags ?? [])]);
    const page = await browser.newPage();
    await page.goto(url);
    if (await hasAdapter(page)) return { browser, page };
    await browser.close();
  }
  throw new CommandError(`${executablePath} offers no WebGPU, not even on the processor`);
}

/**
 * @param {boolean} software
 * @returns {readonly (readonly string[])[]} to try one after the other
 */
function flagSets(software) {
  const given = process.env['CHROME_FLAGS'];
  if (given) return [given.split(/\s+/).filter((flag) => flag !== '')];
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const onProcessor = [...COMMON_FLAGS, ...SOFTWARE_FLAGS, ...sandbox];
  return software ? [onProcessor] : [[...COMMON_FLAGS, ...HARDWARE_FLAGS, ...sandbox], onProcessor];
}

/**
 * Loads puppeteer, or the module that ZOETROPE_PUPPETEER names where node_modules has none.
 * @returns {Promise<{ launch: (options: import('puppeteer').LaunchOptions) => Promise<Browser> }>}
 */
async function puppeteer() {
  const named = process.env['ZOETROPE_PUPPETEER'];
  const module = await import(named ? pathToFileURL(named).href : 'puppeteer').catch((cause) => {
    throw new CommandError(`puppeteer is not installed (${firstLine(cause)}): run "npm ci"`);
  });
  return module.default;
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function firstLine(error) {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
