/** Live Avatar at real size with random weights: what a block takes, in time and memory. */
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { within } from './session.mjs';
import { columns, deviceName, number } from './table.mjs';

/** @typedef {import('../../bench/avatar/row.ts').AvatarRow} AvatarRow */
/** @typedef {import('../../bench/avatar/row.ts').AvatarResult} AvatarResult */
/** @typedef {Omit<AvatarResult, 'trace'>} Kept */
/** @typedef {AvatarRow & { readonly name: string, readonly result?: Kept, readonly failure?: string }} AvatarLine */
/**
 * @typedef {object} AvatarReport
 * @property {import('../../bench/page.ts').BenchDevice} device
 * @property {string} browser
 * @property {readonly AvatarLine[]} rows
 * @property {number} failures
 */

const SIZES = ['full', 'tiny'];
/** A row that takes longer has hung. */
const ROW_SECONDS = 300;
const WIDTHS = [24, -9, -9, -8, -8, -8, 0];
/** The parts of a block, as the trace names them. */
export const STAGES = ['sound', 'denoise', 'decode', 'encode'];

/**
 * Measures the rows whose name begins with `only` and prints them; `keep` is given what there is after each, and the
 * trace of the last.
 * @param {import('./session.mjs').Session} session
 * @param {{ only: string, size: string }} options
 * @param {(report: AvatarReport, trace: import('../../src/engine/profile/trace.ts').Trace) => void} keep
 */
export async function benchAvatar(session, { only, size }, keep) {
  if (!SIZES.includes(size))
    throw new CommandError(`--size got "${size}", takes ${SIZES.join(', ')}`, EXIT.badInput);
  const { device, browser } = await session.about();
  const page = await session.page();
  const all = await page.evaluate((tiny) => globalThis.bench.avatar.rows(tiny), size === 'tiny');
  const chosen = all.filter(({ name }) => name.startsWith(only));
  if (chosen.length === 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new CommandError(`no row begins with "${only}": ${known}`, EXIT.badInput);
  }
  console.log(`${browser} on ${deviceName(device)}\n`);
  const head = [
    'size, weights, keys, steps',
    's a block',
    'frames/s',
    'peak GB',
    'whole',
    'start s',
  ];
  console.log(columns([...head, `ms of a block: ${STAGES.join(', ')}`], WIDTHS));
  /** @type {AvatarLine[]} */
  const rows = [];
  const report = { device, browser, rows, failures: 0 };
  for (const row of chosen) {
    try {
      const work = (await session.page()).evaluate(
        (each) => globalThis.bench.avatar.measure(each),
        row,
      );
      const { trace, ...result } = await within(work, ROW_SECONDS);
      rows.push({ ...row, result });
      keep(report, trace);
    } catch (error) {
      await session.close();
      rows.push({ ...row, failure: error instanceof Error ? error.message : String(error) });
      report.failures++;
    }
    const last = rows.at(-1);
    if (last) console.log(lineOf(last));
  }
  return report;
}

/** @param {AvatarLine} row */
function lineOf({ name, result, failure }) {
  if (!result) return columns([name, '-', '', '', '', '', failure ?? ''], WIDTHS);
  const { secondsPerBlock, framesPerSecond, peakBytes, wholePeakBytes, startSeconds } = result;
  const times = STAGES.map((stage) => number(result.stages[stage] ?? NaN));
  return columns(
    [
      ...[name, number(secondsPerBlock), number(framesPerSecond), number(peakBytes / 1e9)],
      ...[number(wholePeakBytes / 1e9), number(startSeconds), times.join(', ')],
    ],
    WIDTHS,
  );
}
