/** The table of operators: the engine, the device's own limits and, if wanted, the peers, in one run. */
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { within } from './session.mjs';
import { columns, deviceName, number } from './table.mjs';

/** @typedef {import('../../bench/measure-operator.ts').OperatorResult} OperatorResult */
/** @typedef {import('../../bench/operator-page.ts').OperatorRow} OperatorRow */
/** @typedef {import('../../bench/ceilings.ts').Ceilings} Ceilings */
/** @typedef {import('./session.mjs').Session} Session */

/**
 * @typedef {object} OperatorOptions
 * @property {string} only beginnings of names, with commas between them
 * @property {number} seconds
 * @property {boolean} peers
 * @property {boolean} tuned whether variants are timed on the device first
 * @property {boolean} small rows that a processor finishes
 */

/** A row that takes longer has hung. */
const ROW_SECONDS = 120;
const ROUNDS = 5;
const WIDTHS = [44, 17, 4, -9, -9, -8, -8, -9];

/**
 * Measures the rows whose name begins with one of `only` and prints them.
 * @param {Session} session
 * @param {OperatorOptions} options
 * @param {(figures: object) => void} save takes all figures so far, after every row
 */
export async function benchOperators(session, options, save) {
  const { device, browser } = await session.about();
  const all = await rowsOf(session, options);
  const beginnings = options.only.split(',');
  const chosen = all.flatMap(({ name }, index) =>
    beginnings.some((beginning) => name.startsWith(beginning)) ? [index] : [],
  );
  if (chosen.length === 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new CommandError(`no row begins with "${options.only}": ${known}`, EXIT.badInput);
  }
  const { ceilings, peers } = await prepare(session, options);
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  console.log(`${browser} on ${deviceName(device)}`);
  console.log(`the device alone: ${ceilingText(ceilings)}`);
  if (versions.length > 0) console.log(`beside ${versions.join(', ')}`);
  console.log();
  console.log(
    columns(['operator', 'library', 'type', 'ms', 'TFLOP/s', 'GB/s', '% limit', 'error'], WIDTHS),
  );
  const rows = [];
  let failures = 0;
  for (const index of chosen) {
    const row = all[index];
    if (!row) continue;
    const results = await measure(session, index, options);
    if (results.length === 0 || results.some(({ ours, failure }) => ours && failure)) failures++;
    const judged = results.map((result) => ({ ...result, share: shareOf(row, result, ceilings) }));
    for (const [i, result] of judged.entries())
      console.log(lineOf(i === 0 ? row.name : '', result));
    const verdict = verdictOf(results);
    if (verdict) console.log(columns(['', verdict], WIDTHS));
    rows.push({ ...row, results: judged });
    save({ device, browser, ceilings, peers, rows, failures });
  }
  return { device, browser, ceilings, peers, rows, failures };
}

/**
 * @param {Session} session
 * @param {OperatorOptions} options
 */
async function rowsOf(session, { small }) {
  const page = await session.page();
  return page.evaluate((s) => globalThis.bench.operators.rows(s), small);
}

/**
 * @param {Session} session
 * @param {OperatorOptions} options
 */
async function prepare(session, { peers, tuned, seconds }) {
  const page = await session.page();
  return page.evaluate((o) => globalThis.bench.operators.prepare(o), { peers, tuned, seconds });
}

/**
 * Resolves to a row's results; none when the page came down over it, after which a new one stands ready.
 * @param {Session} session
 * @param {number} index
 * @param {OperatorOptions} options
 * @returns {Promise<OperatorResult[]>}
 */
async function measure(session, index, options) {
  const page = await session.page();
  const { small, seconds } = options;
  try {
    const work = page.evaluate(
      (i, s, o) => globalThis.bench.operators.measure(i, s, o),
      index,
      small,
      { seconds, rounds: ROUNDS },
    );
    return await within(work, ROW_SECONDS);
  } catch (error) {
    console.log(`row ${index} FAILED: ${error instanceof Error ? error.message : String(error)}`);
    await session.close();
    await prepare(session, options);
    return [];
  }
}

/**
 * Returns the share of what the device does at most that a result reaches.
 * @param {OperatorRow} row
 * @param {OperatorResult} result
 * @param {Ceilings} ceilings
 * @returns {number | undefined}
 */
function shareOf({ memoryBound }, { tflops, gigabytes, type, library }, ceilings) {
  if (tflops === undefined || gigabytes === undefined) return undefined;
  if (memoryBound) return gigabytes / ceilings.copyGigabytes;
  const half = library.endsWith('matrix') ? ceilings.matrix : (ceilings.f16 ?? ceilings.f32);
  return tflops / ((type === 'f32' ? ceilings.f32 : half) ?? ceilings.f32);
}

/**
 * @param {string} name
 * @param {OperatorResult & { readonly share: number | undefined }} result
 */
function lineOf(name, { library, type, time, tflops, gigabytes, share, error, failure }) {
  if (time === undefined || tflops === undefined || gigabytes === undefined)
    return columns(
      [name, library, type, '-', '', '', '', '', (failure ?? 'not run').slice(0, 120)],
      WIDTHS,
    );
  const percent = share === undefined ? '' : `${Math.round(100 * share)}`;
  const figures = [number(time.ms), number(tflops), number(gigabytes), percent];
  return columns([name, library, type, ...figures, (error ?? NaN).toExponential(1)], WIDTHS);
}

/**
 * How many times as fast as the best peer the engine is, in each type that both have.
 * @param {readonly OperatorResult[]} results
 * @returns {string | undefined}
 */
function verdictOf(results) {
  const ratios = bestOf(results).flatMap(({ type, ours, peer }) =>
    ours && peer ? [`${type} ${number(peer.ms / ours.ms)}× of ${peer.library}`] : [],
  );
  return ratios.length > 0 ? `→ ${ratios.join(', ')}` : undefined;
}

/**
 * Returns the fastest of the engine and of the peers in each type.
 * @param {readonly OperatorResult[]} results
 */
export function bestOf(results) {
  const types = /** @type {const} */ (['f32', 'f16']);
  return types.map((type) => {
    const timed = results
      .flatMap(({ time, ...rest }) =>
        time && rest.type === type ? [{ ...rest, ms: time.ms }] : [],
      )
      .toSorted((a, b) => a.ms - b.ms);
    return {
      type,
      ours: timed.find(({ ours }) => ours),
      plain: timed.find(({ library }) => library === 'zoetrope'),
      peer: timed.find(({ ours }) => !ours),
    };
  });
}

/** @param {Ceilings} ceilings */
export function ceilingText({ copyGigabytes, f32, f16, matrix }) {
  const parts = [`copy ${number(copyGigabytes)} GB/s`, `f32 ${number(f32)} TFLOP/s`];
  if (f16 !== undefined) parts.push(`f16 ${number(f16)} TFLOP/s`);
  if (matrix !== undefined) parts.push(`f16 matrices ${number(matrix)} TFLOP/s`);
  return parts.join(', ');
}
