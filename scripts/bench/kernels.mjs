/** Kernel rows of the bench: one line each as it is measured. */
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { columns, deviceName, number } from './table.mjs';

/** @typedef {import('../../bench/page.ts').RowName} RowName */
/** @typedef {import('../../bench/page.ts').Outcome} Outcome */

const WIDTHS = [15, 13, -9, -9, -9, -9];

/**
 * Measures the rows whose kernel begins with `only` and prints them.
 * @param {import('./session.mjs').Session} session
 * @param {{ only: string, seconds: number }} options
 */
export async function benchKernels(session, { only, seconds }) {
  const page = await session.page();
  const { device, browser } = await session.about();
  const names = await page.evaluate(() => globalThis.bench.kernels.rows());
  const chosen = names.flatMap((name, index) => (name.kernel.startsWith(only) ? [index] : []));
  if (chosen.length === 0) {
    const known = new Set(names.map(({ kernel }) => kernel));
    throw new CommandError(
      `no kernel begins with "${only}": ${[...known].join(', ')}`,
      EXIT.badInput,
    );
  }
  const copyGigabytes = await page.evaluate((s) => globalThis.bench.kernels.prepare(s), seconds);
  console.log(`${browser} on ${deviceName(device)}`);
  console.log(`copy kernel: ${number(copyGigabytes)} GB/s\n`);
  console.log(columns(['kernel', 'tier', 'ms', 'GFLOP/s', 'GB/s', '% of copy', 'what'], WIDTHS));
  const rows = [];
  let failures = 0;
  for (const index of chosen) {
    const name = names[index];
    if (!name) continue;
    const outcome = await page.evaluate(
      (i, s) => globalThis.bench.kernels.measure(i, s),
      index,
      seconds,
    );
    if ('failure' in outcome) failures++;
    console.log(lineOf(name, outcome, copyGigabytes));
    rows.push({ ...name, ...outcome });
  }
  return { device, browser, copyGigabytes, rows, failures };
}

/**
 * @param {RowName} name
 * @param {Outcome} outcome
 * @param {number} copyGigabytes
 */
function lineOf({ kernel, tier, why }, outcome, copyGigabytes) {
  if ('failure' in outcome)
    return columns([kernel, tier, 'FAILED', '', '', '', `${why}: ${outcome.failure}`], WIDTHS);
  if ('leftOut' in outcome)
    return columns([kernel, tier, '-', '', '', '', `${why}: left out, ${outcome.leftOut}`], WIDTHS);
  const { ms, gflops, gigabytes } = outcome;
  const share = `${Math.round((100 * gigabytes) / copyGigabytes)}`;
  return columns([kernel, tier, number(ms), number(gflops), number(gigabytes), share, why], WIDTHS);
}
