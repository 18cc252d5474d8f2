/** The bench's page in a browser without a window; a new one takes its place when a row brings it down. */
import { openInBrowser } from '../lib/browser.mjs';
import { CommandError } from '../lib/command-error.mjs';

/** @typedef {import('../../bench/page.ts').BenchDevice} BenchDevice */
/** @typedef {import('../lib/browser.mjs').Page} Page */

export class Session {
  #url;
  #choice;
  /** @type {import('../lib/browser.mjs').Browser | undefined} */
  #browser;
  /** @type {Page | undefined} */
  #page;
  /** @type {BenchDevice | undefined} */
  #device;

  /**
   * @param {string} url
   * @param {import('../lib/browser.mjs').BrowserChoice} choice
   */
  constructor(url, choice) {
    this.#url = url;
    this.#choice = choice;
  }

  /** The page, opened at first use. Throws a `CommandError` without WebGPU. */
  async page() {
    if (this.#page) return this.#page;
    const { browser, page } = await openInBrowser(
      this.#url,
      async (candidate) => {
        this.#device = await candidate.evaluate(() => globalThis.bench.open());
        return this.#device !== undefined;
      },
      this.#choice,
    );
    page.on('console', (message) => {
      if (message.type() === 'error') console.error(`page: ${message.text()}`);
    });
    await tellCrashes(browser);
    this.#browser = browser;
    this.#page = page;
    return page;
  }

  /** @returns {Promise<{ device: BenchDevice, browser: string }>} */
  async about() {
    await this.page();
    if (!this.#device || !this.#browser) throw new CommandError('the browser offers no WebGPU');
    return { device: this.#device, browser: await this.#browser.version() };
  }

  /** Ends the browser; the next `page` starts another. */
  async close() {
    const browser = this.#browser;
    this.#browser = undefined;
    this.#page = undefined;
    const child = browser?.process();
    await Promise.race([
      browser?.close().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, 5000)),
    ]);
    if (child && child.exitCode === null) child.kill('SIGKILL');
  }
}

/**
 * Prints how a page's process ended, which the failure of what was asked of the page does not say.
 * @param {import('../lib/browser.mjs').Browser} browser
 */
async function tellCrashes(browser) {
  const client = await browser.target().createCDPSession();
  client.on('Target.targetCrashed', ({ status, errorCode }) =>
    console.error(`page: its process ended, ${status} (${errorCode})`),
  );
  await client.send('Target.setDiscoverTargets', { discover: true });
}

/**
 * Resolves as `work` does; rejects after `seconds`.
 * @template T
 * @param {Promise<T>} work
 * @param {number} seconds
 * @returns {Promise<T>}
 */
export async function within(work, seconds) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${seconds} s`)), 1000 * seconds);
  });
  try {
    return /** @type {T} */ (await Promise.race([work, late]));
  } finally {
    clearTimeout(timer);
  }
}
