/** DynamiCrafter at real size with random weights: what each stage of a clip takes, in time and memory. */
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { within } from './session.mjs';
import { columns, deviceName, number } from './table.mjs';

/** @typedef {import('../../bench/clips/row.ts').ClipRow} ClipRow */
/** @typedef {import('../../bench/clips/row.ts').ClipResult} ClipResult */
/** @typedef {ClipRow & { readonly name: string, readonly result?: ClipResult, readonly failure?: string }} ClipLine */
/**
 * @typedef {object} ClipReport
 * @property {import('../../bench/page.ts').BenchDevice} device
 * @property {string} browser
 * @property {number} clipSteps
 * @property {readonly ClipLine[]} rows
 * @property {number} failures
 */

const SIZES = ['full', 'tiny'];
/** A row that takes longer has hung; all 50 steps in f32 take minutes. */
const ROW_SECONDS = 600;
const WIDTHS = [14, -8, -8, -8, -8, -8, -8, -6, -8, -8, -8, 0];
/** The stages of a clip in their order. */
export const STAGES = /** @type {const} */ ([
  ...['text', 'picture', 'encode', 'prepare', 'step', 'decode'],
]);

/**
 * Measures the rows whose name begins with `only` and prints them; `keep` is given what there is after each.
 * @param {import('./session.mjs').Session} session
 * @param {{ only: string, size: string, steps: string | undefined }} options
 * @param {(report: ClipReport) => void} keep
 */
export async function benchClips(session, { only, size, steps: wanted }, keep) {
  if (!SIZES.includes(size))
    throw new CommandError(`--size got "${size}", takes ${SIZES.join(', ')}`, EXIT.badInput);
  const steps = wanted === undefined ? undefined : Number(wanted);
  if (steps !== undefined && !(Number.isInteger(steps) && steps > 1))
    throw new CommandError(`--steps got "${wanted}", takes a whole number above 1`, EXIT.badInput);
  const { device, browser } = await session.about();
  const page = await session.page();
  const { all, clipSteps } = await page.evaluate(
    (tiny, count) => ({
      all: globalThis.bench.clips.rows(tiny, count),
      clipSteps: globalThis.bench.clips.clipSteps,
    }),
    size === 'tiny',
    steps,
  );
  const chosen = all.filter(({ name }) => name.startsWith(only));
  if (chosen.length === 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new CommandError(`no row begins with "${only}": ${known}`, EXIT.badInput);
  }
  console.log(`${browser} on ${deviceName(device)}\n`);
  const head = ['clip', ...STAGES.map((stage) => `${stage} s`), 'timed', `${clipSteps} st. s`];
  console.log(columns([...head, 'first s', 'peak GB', ''], WIDTHS));
  /** @type {ClipLine[]} */
  const rows = [];
  const report = { device, browser, clipSteps, rows, failures: 0 };
  for (const row of chosen) {
    try {
      const work = (await session.page()).evaluate(
        (each) => globalThis.bench.clips.measure(each),
        row,
      );
      rows.push({ ...row, result: await within(work, ROW_SECONDS) });
    } catch (error) {
      await session.close();
      rows.push({ ...row, failure: error instanceof Error ? error.message : String(error) });
      report.failures++;
    }
    keep(report);
    const last = rows.at(-1);
    if (last) console.log(lineOf(last));
  }
  return report;
}

/** @param {ClipLine} row */
function lineOf({ name, result, failure }) {
  if (!result) return columns([name, failure ?? ''], [14, 0]);
  const { stages, steps, clipSeconds, firstSeconds, peakBytes } = result;
  const times = STAGES.map((stage) => number(stages[stage] / 1000));
  return columns(
    [
      ...[name, ...times, `${steps}`, number(clipSeconds), number(firstSeconds)],
      number(peakBytes / 1e9),
    ],
    WIDTHS,
  );
}
