/** docs/performance.md and its plots, made from what the bench wrote with --json. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { avatarPart } from './avatar-page.mjs';
import { barChart } from './chart.mjs';
import { STAGES } from './clips.mjs';
import { gains } from './ladder.mjs';
import { bestOf, ceilingText } from './operators.mjs';
import { deviceName, markdownTable, number } from './table.mjs';

/** @typedef {NonNullable<Awaited<ReturnType<typeof import('./operators.mjs').benchOperators>>>} Operators */
/** @typedef {import('./ladder.mjs').LadderReport} Ladder */
/** @typedef {import('../../bench/measure-operator.ts').OperatorResult} OperatorResult */

/**
 * @typedef {object} Report what --json writes
 * @property {string} date
 * @property {readonly string[]} arguments
 * @property {Operators} [operators]
 * @property {Ladder} [ladder]
 * @property {import('./clips.mjs').ClipReport} [clips]
 * @property {import('./avatar.mjs').AvatarReport} [avatar]
 */

const NOTES = 'performance-notes.md';

/**
 * Writes the page from reports; what is said by hand, in performance-notes.md beside it, comes first.
 * @param {string} docs the folder
 * @param {readonly string[]} files
 */
export function writePage(docs, files) {
  const reports = files.map(readReport);
  mkdirSync(join(docs, 'media'), { recursive: true });
  const save = (/** @type {string} */ name, /** @type {string} */ svg) => {
    writeFileSync(join(docs, 'media', name), svg);
    return `media/${name}`;
  };
  const parts = reports.flatMap((report) => [
    ...(report.operators ? operatorPart(report, report.operators, save) : []),
    ...(report.ladder ? ladderPart(report, report.ladder, save) : []),
  ]);
  const page = [
    '# Performance',
    'Measured in a browser by `npm run bench`; this page and its plots are made by `npm run bench -- --page FILE...` from the figures that `--json` keeps.',
    readNotes(join(docs, NOTES)),
    ...parts,
    ...clipsPart(reports),
    ...avatarPart(
      reports.flatMap((report) =>
        report.avatar ? [{ about: origin(report, report.avatar), avatar: report.avatar }] : [],
      ),
    ),
  ];
  writeFileSync(
    join(docs, 'performance.md'),
    `${page.filter((part) => part !== '').join('\n\n')}\n`,
  );
}

/** @param {string} file */
function readReport(file) {
  try {
    return /** @type {Report} */ (JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`${file} is no report of the bench: ${why}`, EXIT.badInput);
  }
}

/** @param {string} file */
function readNotes(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * @param {Report} report
 * @param {{ device: import('../../bench/page.ts').BenchDevice, browser: string }} run
 */
const origin = ({ date, arguments: words }, { device, browser }) =>
  `${date.slice(0, 10)}, ${browser}, ${deviceName(device)}: \`npm run bench -- ${measuring(words).join(' ')}\``;

/** Options that say where things lie, not what is measured. */
const PLACES = ['--bench', '--json', '--trace', '--browser', '--dist'];

/**
 * Returns the arguments of a command without those that say where things lie.
 * @param {readonly string[]} words
 */
export const measuring = (words) =>
  words.filter((word, i) => !PLACES.includes(word) && !PLACES.includes(words[i - 1] ?? ''));

/**
 * @param {Report} report
 * @param {Operators} operators
 * @param {(name: string, svg: string) => string} save
 */
function operatorPart(report, operators, save) {
  const { ceilings, peers, rows } = operators;
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  const table = rows.flatMap(({ name, results, memoryBound }) =>
    bestOf(results).flatMap(({ type, ours, plain, peer }) => {
      if (!ours || !plain) return [];
      const unit = memoryBound ? 'gigabytes' : 'tflops';
      const speed = (/** @type {OperatorResult | undefined} */ r) => (r ? cell(r[unit]) : '');
      const share = results.find((r) => r.library === ours.library && r.type === type)?.share;
      return [
        [
          ...[`${name}${memoryBound ? ' (GB/s)' : ''}`, type, speed(plain)],
          ...[ours === plain ? '' : speed(ours), `${Math.round(100 * (share ?? NaN))} %`],
          ...[peer ? `${speed(peer)} (${peer.library})` : '', peer ? ratio(peer.ms / ours.ms) : ''],
          (ours.error ?? NaN).toExponential(0),
        ],
      ];
    }),
  );
  const picture = save('operators.svg', operatorChart(rows));
  const beside = versions.length > 0 ? ` Peers: ${versions.join(', ')}.` : '';
  return [
    '## Operators',
    `${origin(report, operators)}. The device alone: ${ceilingText(ceilings)}.${beside} TFLOP/s where not said otherwise; medians of samples of 20 ms and more, taken in turns. "Share" is that of the device's own limit in the same kind of arithmetic, or of the copy kernel's bandwidth. The error is the worst of the values looked at, as a share of their root mean square.`,
    markdownTable(
      ['operator', 'type', 'plain', 'subgroup matrices', 'share', 'best peer', 'ratio', 'error'],
      table,
    ),
    failures(rows),
    `![Speeds beside the best peer](${picture})`,
  ];
}

/** @param {Operators['rows']} rows */
function failures(rows) {
  const lines = rows.flatMap(({ name, results }) =>
    results.flatMap(({ library, type, failure }) =>
      failure ? [`${name}, ${library} ${type}: ${failure.split('\n')[0]?.slice(0, 110)}`] : [],
    ),
  );
  if (lines.length === 0) return '';
  return `Without figures (wrong numbers, refused, or more memory than a buffer holds):\n\n${lines.map((line) => `- ${line}`).join('\n')}`;
}

/** @param {Operators['rows']} rows */
function operatorChart(rows) {
  const groups = rows.flatMap(({ name, results, memoryBound }) => {
    const unit = memoryBound ? 'gigabytes' : 'tflops';
    const bars = results.flatMap(({ library, type, time, ...rest }) => {
      const value = rest[unit];
      if (!time || value === undefined) return [];
      const text = `${number(value)} ${memoryBound ? 'GB/s' : 'TFLOP/s'}`;
      return [{ series: `${library} ${type}`, value, text }];
    });
    return bars.length > 0 ? [{ label: name, bars }] : [];
  });
  return barChart('Operators: longest bar of each group = its fastest', groups, { scale: 'group' });
}

/**
 * @param {Report} report
 * @param {Ladder} ladder
 * @param {(name: string, svg: string) => string} save
 */
function ladderPart(report, ladder, save) {
  const { model, about, rows } = ladder;
  const first = rows[0]?.result;
  const measured = rows.flatMap(({ name, aside, result }) =>
    result ? [{ title: aside ? `(${name})` : name, result, ...gains(result, first) }] : [],
  );
  const lines = measured.map(({ title, result, speedUp, memory }) => [
    ...[title, number(result.seconds), ratio(speedUp), number(result.peakBytes / 1e9)],
    ...[
      ratio(memory),
      `${result.computed}`,
      `${result.dispatches}`,
      result.error?.toExponential(1) ?? '',
    ],
  ]);
  const speed = save(
    `${model}-speed.svg`,
    barChart(
      `${model}: times as fast as with every lever off`,
      measured.map(({ title, speedUp }) => ({
        label: title,
        bars: [{ series: 'speed-up', value: speedUp, text: ratio(speedUp) }],
      })),
      { scale: 'all' },
    ),
  );
  const memory = save(
    `${model}-memory.svg`,
    barChart(
      `${model}: most GPU memory at once`,
      measured.map(({ title, result: { peakBytes } }) => ({
        label: title,
        bars: [{ series: 'GB', value: peakBytes, text: `${number(peakBytes / 1e9)} GB` }],
      })),
      { scale: 'all' },
    ),
  );
  return [
    `## The ladder of ${model}`,
    `${origin(report, ladder)}. ${about} Each rung keeps the levers of those before it; those in brackets are measured aside. The error is the root mean square of the difference from the first rung's latent, as a share of its own.`,
    markdownTable(
      ['rung', 's', 'speed-up', 'peak GB', 'memory ÷', 'steps', 'dispatches a step', 'error'],
      lines,
    ),
    `![Speed-up](${speed})\n![Memory](${memory})`,
  ];
}

/**
 * One table for all runs of clips.
 * @param {readonly Report[]} reports
 */
function clipsPart(reports) {
  const runs = reports.flatMap((report) => {
    const { clips } = report;
    return clips ? [{ clips, origin: origin(report, clips) }] : [];
  });
  const [first] = runs;
  if (!first) return [];
  const { clipSteps } = first.clips;
  const lines = runs.flatMap(({ clips }) =>
    clips.rows.flatMap(({ name, result }) => {
      if (!result) return [];
      const { stages, steps, clipSeconds, firstSeconds, peakBytes } = result;
      return [
        [
          ...[name, ...STAGES.map((stage) => number(stages[stage] / 1000)), `${steps}`],
          ...[number(clipSeconds), number(firstSeconds), number(peakBytes / 1e9)],
        ],
      ];
    }),
  );
  return [
    '## DynamiCrafter',
    `${runs.map((run) => run.origin).join('; ')}. Random weights, 16 frames, guidance. Seconds of each stage of a clip whose weights, shaders and rows of text stayed from the one before. "${clipSteps} steps" is the stages and ${clipSteps} times the step, of which as many were run as "timed" says. "First" is the clip before, of one step: weights made on the device, shaders compiled, kernels timed. The peak holds all networks at once.`,
    markdownTable(['clip', ...STAGES, 'timed', `${clipSteps} steps`, 'first', 'peak GB'], lines),
  ];
}

const cell = (/** @type {number | undefined} */ value) =>
  value === undefined || Number.isNaN(value) ? '' : number(value);

const ratio = (/** @type {number} */ value) => `${number(value)}×`;
