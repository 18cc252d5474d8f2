/** Kernel rows of the bench: one line each as it is measured. */
import { openInBrowser } from '../lib/browser.mjs';
import { CommandError, EXIT } from '../lib/command-error.mjs';

/** @typedef {import('../../bench/page.ts').BenchDevice} BenchDevice */
/** @typedef {import('../../bench/page.ts').RowName} RowName */
/** @typedef {import('../../bench/page.ts').Outcome} Outcome */

/**
 * Measures the rows whose kernel begins with `only` and prints them.
 * @param {string} url
 * @param {import('../lib/browser.mjs').BrowserChoice} choice
 * @param {{ only: string, seconds: number }} options
 */
export async function benchKernels(url, choice, { only, seconds }) {
  /** @type {BenchDevice | undefined} */
  let device;
  const { browser, page } = await openInBrowser(
    `${url}bench/`,
    async (candidate) => {
      device = await candidate.evaluate((s) => globalThis.bench.open(s), seconds);
      return device !== undefined;
    },
    choice,
  );
  try {
    if (!device) throw new CommandError('the browser offers no WebGPU');
    const names = await page.evaluate(() => globalThis.bench.rows());
    const chosen = names.flatMap((name, index) => (name.kernel.startsWith(only) ? [index] : []));
    if (chosen.length === 0) {
      const known = [...new Set(names.map(({ kernel }) => kernel)), 'motion'];
      throw new CommandError(`no row begins with "${only}": ${known.join(', ')}`, EXIT.badInput);
    }
    printDevice(device, await browser.version());
    const rows = [];
    let failures = 0;
    for (const index of chosen) {
      const name = names[index];
      if (!name) continue;
      const outcome = await page.evaluate((i, s) => globalThis.bench.measure(i, s), index, seconds);
      if ('failure' in outcome) failures++;
      console.log(lineOf(name, outcome, device.copyGigabytes));
      rows.push({ ...name, ...outcome });
    }
    return { device, browser: await browser.version(), rows, failures };
  } finally {
    await browser.close();
  }
}

/**
 * @param {BenchDevice} device
 * @param {string} browser
 */
function printDevice({ vendor, architecture, device, description, software, ...rest }, browser) {
  const name = [vendor, architecture, device, description].filter((part) => part !== '').join(' ');
  const kind = software ? 'processor' : 'graphics card';
  const { f16, subgroups, timestamps } = rest.capabilities;
  const has = Object.entries({ f16, subgroups, timestamps })
    .map(([feature, present]) => `${present ? '' : 'no '}${feature}`)
    .join(', ');
  console.log(`${browser} on ${name} (${kind}; ${has})`);
  console.log(`copy kernel: ${number(rest.copyGigabytes)} GB/s\n`);
  console.log(columns(['kernel', 'tier', 'ms', 'GFLOP/s', 'GB/s', '% of copy', 'what']));
}

/**
 * @param {RowName} name
 * @param {Outcome} outcome
 * @param {number} copyGigabytes
 */
function lineOf({ kernel, tier, why }, outcome, copyGigabytes) {
  if ('failure' in outcome)
    return columns([kernel, tier, 'FAILED', '', '', '', `${why}: ${outcome.failure}`]);
  if ('leftOut' in outcome)
    return columns([kernel, tier, '-', '', '', '', `${why}: left out, ${outcome.leftOut}`]);
  const { ms, gflops, gigabytes } = outcome;
  const share = `${Math.round((100 * gigabytes) / copyGigabytes)}`;
  return columns([kernel, tier, number(ms), number(gflops), number(gigabytes), share, why]);
}

/** @param {readonly string[]} cells */
function columns(cells) {
  const widths = [15, 13, -9, -9, -9, -9];
  return cells
    .map((cell, i) => {
      const width = widths[i] ?? 0;
      return width < 0 ? cell.padStart(-width) : cell.padEnd(width);
    })
    .join('  ');
}

/** @param {number} value three digits that count */
function number(value) {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3);
}
