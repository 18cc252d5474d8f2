/**
 * `npm run bench`: times the engine's operators beside other libraries, every kernel on its own, and the built-in model
 * end to end, in a browser without a window. Plain JavaScript: a built page, Node and puppeteer are all it needs.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { benchAvatar } from './bench/avatar.mjs';
import { benchClips } from './bench/clips.mjs';
import { benchKernels } from './bench/kernels.mjs';
import { benchLadder } from './bench/ladder.mjs';
import { benchModel } from './bench/model.mjs';
import { benchOperators } from './bench/operators.mjs';
import { measuring, writePage } from './bench/page.mjs';
import { benchReleased } from './bench/released.mjs';
import { Session } from './bench/session.mjs';
import { builtApp, builtBench } from './lib/build.mjs';
import { CommandError, EXIT } from './lib/command-error.mjs';
import { serve } from './lib/serve.mjs';
import { root } from './lib/steps.mjs';

const SECTIONS = ['operators', 'kernels', 'model'];

const HELP = `npm run bench -- [OPTION...]

  --peers          operators beside onnxruntime-web, TensorFlow.js and jax-js
  --rows SECTION   operators, kernels or model (the built-in one, end to end); default: all, with --peers operators
  --only NAME      rows, or rungs of a ladder beside its first, whose name begins so; operators: several, with commas
  --ladder MODEL   the engine's levers one after another on a model with random weights: time, memory, error
  --avatar         Live Avatar with random weights: seconds a block, frames a second, memory; --only "384x256 int4 int8"
  --trace FILE     of the last row of --avatar: its stages as a trace for Perfetto
  --clips          DynamiCrafter at 512x320 and 1024x576 with random weights: its stages, memory; --only "1024 f16"
  --released DIR   a released Wan model at real size, from its files to an MP4: "--released --help"
  --size SIZE      of the ladder, the avatar or the clips: full (default) or tiny, which a processor finishes
  --untuned        leave the choice of kernels to their defaults: no timing of variants first
  --steps N        of the clips, all 50 or fewer, or of the ladder (default: 2, tiny 8); from 6 on with rungs that leave steps out
  --seconds S      time for each row of each library (default: 0.5)
  --json FILE      write all figures
  --page FILE      make docs/performance.md and its plots from written figures; may be given several times
  --small          small operators that a processor finishes in a moment
  --browser PATH   Chrome or Chromium to use
  --software       compute on the processor even where there is a graphics card
  --bench DIR      a built page of the bench to use as it is
  --dist DIR       a built app to use as it is`;

/** The peers' own loaders compile and start what they bring; nothing is asked of other hosts. */
const HEADERS = {
  'Content-Security-Policy': "default-src 'self' blob: data: 'unsafe-inline' 'unsafe-eval'",
  'Cache-Control': 'no-store',
};

try {
  const [first, ...rest] = process.argv.slice(2);
  process.exitCode = first === '--released' ? await benchReleased(rest) : await bench();
} catch (error) {
  if (error instanceof CommandError) console.error(`bench: ${error.message}`);
  else console.error(error);
  process.exitCode = error instanceof CommandError ? error.exitCode : EXIT.failure;
}

/** @returns {Promise<number>} the exit code */
async function bench() {
  const values = options();
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.page) {
    writePage(join(root, 'docs'), values.page.map(here));
    return 0;
  }
  const seconds = Number(values.seconds ?? 0.5);
  if (!(seconds > 0)) {
    throw new CommandError(`--seconds got "${values.seconds}", takes a number`, EXIT.badInput);
  }
  const peers = values.peers === true;
  const rows = values.rows ?? (peers ? 'operators' : undefined);
  if (rows !== undefined && !SECTIONS.includes(rows)) {
    throw new CommandError(`--rows got "${rows}", takes ${SECTIONS.join(', ')}`, EXIT.badInput);
  }
  const browser = {
    ...(values.browser !== undefined && { path: values.browser }),
    software: values.software === true,
  };
  const only = values.only ?? '';
  const ladder = values.ladder;
  const wants = (/** @type {string} */ section) =>
    ladder === undefined &&
    values.avatar !== true &&
    values.clips !== true &&
    (rows === undefined || rows === section);
  const about = { date: new Date().toISOString(), arguments: measuring(process.argv.slice(2)) };
  const save = (/** @type {object} */ figures) => {
    if (values.json === undefined) return;
    writeFileSync(here(values.json), `${JSON.stringify({ ...about, ...figures }, undefined, 2)}\n`);
  };
  const report = {
    operators: wants('operators')
      ? await onPage(values.bench, browser, (session) =>
          benchOperators(
            session,
            {
              ...{ only, seconds, peers, small: values.small === true },
              tuned: values.untuned !== true,
            },
            (part) => save({ operators: part }),
          ),
        )
      : undefined,
    kernels: wants('kernels')
      ? await onPage(values.bench, browser, (session) => benchKernels(session, { only, seconds }))
      : undefined,
    model:
      wants('model') && (rows === 'model' || only === '')
        ? await model(values.dist, browser)
        : undefined,
    ladder:
      ladder === undefined
        ? undefined
        : await onPage(values.bench, browser, (session) =>
            benchLadder(
              session,
              { model: ladder, size: values.size ?? 'full', steps: values.steps, only },
              (part) => save({ ladder: part }),
            ),
          ),
    avatar:
      values.avatar === true
        ? await onPage(values.bench, browser, (session) =>
            benchAvatar(session, { only, size: values.size ?? 'full' }, (part, trace) => {
              save({ avatar: part });
              if (values.trace !== undefined)
                writeFileSync(here(values.trace), JSON.stringify(trace));
            }),
          )
        : undefined,
    clips:
      values.clips === true
        ? await onPage(values.bench, browser, (session) =>
            benchClips(
              session,
              { only, size: values.size ?? 'full', steps: values.steps },
              (part) => save({ clips: part }),
            ),
          )
        : undefined,
  };
  save(report);
  const { operators, kernels } = report;
  const failures = [operators, kernels, report.ladder, report.avatar, report.clips].reduce(
    (sum, part) => sum + (part?.failures ?? 0),
    0,
  );
  return failures > 0 ? EXIT.failure : 0;
}

/**
 * @template T
 * @param {string | undefined} folder
 * @param {import('./lib/browser.mjs').BrowserChoice} browser
 * @param {(session: Session) => Promise<T>} work
 */
async function onPage(folder, browser, work) {
  const server = await serve(builtBench(folder && here(folder)), {}, HEADERS);
  const session = new Session(server.url, browser);
  try {
    return await work(session);
  } finally {
    await session.close();
    await server.close();
  }
}

/**
 * @param {string | undefined} folder
 * @param {import('./lib/browser.mjs').BrowserChoice} browser
 */
async function model(folder, browser) {
  const server = await serve(builtApp(folder && here(folder)));
  try {
    return await benchModel(server.url, browser);
  } finally {
    await server.close();
  }
}

function options() {
  const string = /** @type {const} */ ({ type: 'string' });
  const boolean = /** @type {const} */ ({ type: 'boolean' });
  try {
    const { values } = parseArgs({
      options: {
        rows: string,
        page: /** @type {const} */ ({ type: 'string', multiple: true }),
        ladder: string,
        trace: string,
        size: string,
        steps: string,
        only: string,
        seconds: string,
        json: string,
        browser: string,
        software: boolean,
        small: boolean,
        untuned: boolean,
        peers: boolean,
        avatar: boolean,
        clips: boolean,
        bench: string,
        dist: string,
        help: /** @type {const} */ ({ type: 'boolean', short: 'h' }),
      },
    });
    return values;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(message.split('. ', 1).join(''), EXIT.badInput);
  }
}

/** @param {string} path meant from the folder where the user stands */
function here(path) {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}
