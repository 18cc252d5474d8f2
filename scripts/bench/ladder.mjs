/** Ladders: the engine's levers set one after another, from all off to all on. */
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { columns, deviceName, number } from './table.mjs';

/** @typedef {import('../../bench/ladder-page.ts').RungName} RungName */
/** @typedef {import('../../bench/ladder-page.ts').RungResult} RungResult */
/** @typedef {import('../../bench/ladder/ladder.ts').LadderSize} LadderSize */
/** @typedef {RungName & { readonly result?: RungResult, readonly failure?: string }} LadderRow */

const WIDTHS = [30, -8, -9, -9, -9, -8, -10, -9];
const SIZES = /** @type {const} */ (['full', 'tiny']);

/**
 * Runs all rungs of a model's ladder and prints them.
 * @param {import('./session.mjs').Session} session
 * @param {{ model: string, size: string }} options
 */
export async function benchLadder(session, { model, size: asked }) {
  const size = SIZES.find((name) => name === asked);
  if (!size)
    throw new CommandError(`--size got "${asked}", takes ${SIZES.join(', ')}`, EXIT.badInput);
  const { device, browser } = await session.about();
  const page = await session.page();
  const models = await page.evaluate(() => globalThis.bench.ladders.models());
  if (!models.includes(model)) {
    throw new CommandError(`--ladder got "${model}", knows ${models.join(', ')}`, EXIT.badInput);
  }
  const { about, rungs } = await page.evaluate(
    (m, s) => globalThis.bench.ladders.describe(m, s),
    model,
    size,
  );
  console.log(`${browser} on ${deviceName(device)}\n${about}\n`);
  console.log(
    columns(['rung', 's', 'speed-up', 'peak MB', 'memory', 'steps', 'dispatches', 'error'], WIDTHS),
  );
  /** @type {LadderRow[]} */
  const rows = [];
  for (const [index, rung] of rungs.entries()) {
    const row = { ...rung, ...(await measure(session, { model, size }, index)) };
    rows.push(row);
    console.log(lineOf(row, rows[0]));
  }
  const failures = rows.filter(({ failure }) => failure !== undefined).length;
  return { model, size, about, device, browser, rows, failures };
}

/**
 * @param {import('./session.mjs').Session} session
 * @param {{ model: string, size: LadderSize }} ladder
 * @param {number} index
 */
async function measure(session, { model, size }, index) {
  const page = await session.page();
  try {
    const result = await page.evaluate(
      (m, s, i) => globalThis.bench.ladders.measure(m, s, i),
      model,
      size,
      index,
    );
    return { result };
  } catch (error) {
    if (page.isClosed()) await session.close();
    return { failure: error instanceof Error ? error.message : String(error) };
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
      ...[`1/${number(memory)}`, `${computed}`, `${dispatches}`, error.toExponential(1)],
    ],
    WIDTHS,
  );
}

/**
 * Returns how many times as fast and as small as the first rung a result is.
 * @param {RungResult} result
 * @param {RungResult | undefined} first
 */
export function gains(result, first) {
  return {
    speedUp: (first?.seconds ?? NaN) / result.seconds,
    memory: (first?.peakBytes ?? NaN) / result.peakBytes,
  };
}
