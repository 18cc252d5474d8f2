/** Ladders: the engine's levers set one after another, from all off to all on. */
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { within } from './session.mjs';
import { columns, deviceName, number } from './table.mjs';

/** @typedef {import('../../bench/ladder-page.ts').RungName} RungName */
/** @typedef {import('../../bench/ladder-page.ts').RungResult} RungResult */
/** @typedef {import('../../bench/ladder-page.ts').LadderChoice} LadderChoice */
/** @typedef {RungName & { readonly result?: RungResult, readonly failure?: string }} LadderRow */
/**
 * @typedef {LadderChoice & {
 *   readonly about: string,
 *   readonly device: import('../../bench/page.ts').BenchDevice,
 *   readonly browser: string,
 *   readonly rows: readonly LadderRow[],
 *   readonly failures: number,
 * }} LadderReport
 */

const WIDTHS = [38, -8, -9, -9, -9, -8, -10, -9];
const SIZES = /** @type {const} */ (['full', 'tiny']);
/** Steps that are run unless told otherwise: at full size each takes seconds with every lever off. */
const STEPS = { full: 2, tiny: 8 };

/** What the driver says of a page that is gone. */
const LOST = /Target closed|Session closed|detached|crashed/i;

/** A rung that takes longer has hung. */
const RUNG_SECONDS = 240;

/**
 * Runs the rungs of a model's ladder whose name begins with `only`, the first always, and prints them; `keep` is given what there is after each.
 * @param {import('./session.mjs').Session} session
 * @param {{ model: string, size: string, steps?: string | undefined, only: string }} options
 * @param {(ladder: LadderReport) => void} keep
 */
export async function benchLadder(session, { model, size: asked, steps: wanted, only }, keep) {
  const size = SIZES.find((name) => name === asked);
  if (!size)
    throw new CommandError(`--size got "${asked}", takes ${SIZES.join(', ')}`, EXIT.badInput);
  const steps = Number(wanted ?? STEPS[size]);
  if (!Number.isInteger(steps) || steps < 1)
    throw new CommandError(`--steps got "${wanted}", takes a whole number`, EXIT.badInput);
  const { device, browser } = await session.about();
  const page = await session.page();
  const models = await page.evaluate(() => globalThis.bench.ladders.models());
  if (!models.includes(model)) {
    throw new CommandError(`--ladder got "${model}", knows ${models.join(', ')}`, EXIT.badInput);
  }
  const choice = { model, size, steps };
  const { about, rungs } = await page.evaluate(
    (ladder) => globalThis.bench.ladders.describe(ladder),
    choice,
  );
  console.log(`${browser} on ${deviceName(device)}\n${about}\n`);
  console.log(
    columns(['rung', 's', 'speed-up', 'peak MB', 'memory', 'steps', 'dispatches', 'error'], WIDTHS),
  );
  /** @type {LadderRow[]} */
  const rows = [];
  const report = { ...choice, about, device, browser, rows, failures: 0 };
  /** @type {number[]} */
  let baseline = [];
  for (const [index, rung] of rungs.entries()) {
    if (index > 0 && !rung.name.startsWith(only)) continue;
    const row = { ...rung, ...(await measure(session, choice, index, baseline)) };
    if (index === 0 && 'result' in row)
      baseline = await (await session.page()).evaluate(() => globalThis.bench.ladders.baseline());
    rows.push(row);
    if ('failure' in row) report.failures++;
    console.log(lineOf(row, rows[0]));
    keep(report);
  }
  return report;
}

/**
 * Resolves to a rung's result. A page that goes down over it is replaced by a new one that knows the first rung's latent,
 * where the rung is tried once more: a page that has run many rungs may not have what one needs.
 * @param {import('./session.mjs').Session} session
 * @param {LadderChoice} choice
 * @param {number} index
 * @param {readonly number[]} baseline
 * @param {boolean} again whether this is the second time
 * @returns {Promise<{ result: RungResult } | { failure: string }>}
 */
async function measure(session, choice, index, baseline, again = false) {
  const page = await session.page();
  try {
    const work = page.evaluate(
      (ladder, i) => globalThis.bench.ladders.measure(ladder, i),
      choice,
      index,
    );
    return { result: await within(work, RUNG_SECONDS) };
  } catch (error) {
    await session.close();
    const fresh = await session.page();
    await fresh.evaluate((values) => globalThis.bench.ladders.restore(values), baseline);
    const failure = error instanceof Error ? error.message : String(error);
    if (again || !LOST.test(failure)) return { failure };
    console.error(`${failure}: once more in a new page`);
    return measure(session, choice, index, baseline, true);
  }
}

/**
 * @param {LadderRow} row
 * @param {LadderRow | undefined} first
 */
function lineOf({ name, aside, result, failure }, first) {
  const title = aside ? `(${name})` : name;
  if (!result) return columns([title, '-', '', '', '', '', '', failure ?? ''], WIDTHS);
  const { speedUp, memory } = gains(result, first?.result);
  const { seconds, peakBytes, computed, dispatches, error } = result;
  return columns(
    [
      ...[title, number(seconds), `${number(speedUp)}×`, number(peakBytes / 1e6)],
      ...[`1/${number(memory)}`, `${computed}`, `${dispatches}`, error?.toExponential(1) ?? ''],
    ],
    WIDTHS,
  );
}

/**
 * Returns how many times as fast and as small as the first rung a result is; where it ran more steps, step for step.
 * @param {RungResult} result
 * @param {RungResult | undefined} first
 */
export function gains(result, first) {
  const steps = Math.max(1, result.computed / (first?.computed ?? NaN));
  return {
    speedUp: (steps * (first?.seconds ?? NaN)) / result.seconds,
    memory: (first?.peakBytes ?? NaN) / result.peakBytes,
  };
}
