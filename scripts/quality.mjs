/**
 * `npm run quality`: how alike two videos are, or what storing weights in fewer bits costs the built-in model and the golden
 * pipelines. Plain JavaScript but for the golden pipelines, which run in Node.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { deviceName, markdownLine, markdownTable } from './bench/table.mjs';
import { openInBrowser } from './lib/browser.mjs';
import { builtQuality } from './lib/build.mjs';
import { CommandError, EXIT } from './lib/command-error.mjs';
import { serve } from './lib/serve.mjs';
import { root } from './lib/steps.mjs';

/** @typedef {import('../bench/quality/metrics.ts').Likeness} Likeness */
/** @typedef {import('../bench/quality/motion.ts').StorageRow} StorageRow */
/** @typedef {import('../bench/quality/page.ts').LpipsChoice} LpipsChoice */

/** The built-in model's run: a graphics card's usual one, and one that a processor ends in minutes. */
const USUAL = { longSide: 768, frames: 49, steps: 6 };
const SHORT = { longSide: 256, frames: 9, steps: 2 };

const STORAGES = /** @type {const} */ (['f32', 'f16', 'int8', 'w8a8', 'int4']);
const LIKENESS = ['frames', 'PSNR', 'worst frame', 'SSIM', 'worst frame', 'LPIPS'];

const HELP = `npm run quality -- A.mp4 B.mp4 [OPTION...]     how alike two videos are
npm run quality -- --motion [PICTURE]          the built-in model with f16, int8, w8a8 and int4 weights against f32
npm run quality -- --golden DIR...             golden pipelines at f32, f16, int8, w8a8 and int4 against the reference's frames

  --lpips FILE     weights of LPIPS, given twice or once: torchvision's AlexNet and the lpips package's alex.pth
  --every N        LPIPS of every Nth frame (default: 8)
  --size N         of --motion: the longer side (default: 768; without a graphics card 256)
  --frames N, --steps N   of --motion (default: 49 and 6; without a graphics card 9 and 2)
  --json FILE      all figures
  --browser PATH, --software, --page DIR (a built page to use as it is)`;

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof CommandError) console.error(`quality: ${error.message}`);
  else console.error(error);
  process.exitCode = error instanceof CommandError ? error.exitCode : EXIT.failure;
}

async function main() {
  const { values, positionals } = options();
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.golden) return golden(positionals.map(here), values.json && here(values.json));
  const files = positionals.map(here);
  const missing = [...files, ...(values.lpips ?? []).map(here)].find((file) => !existsSync(file));
  if (missing !== undefined) throw new CommandError(`no file ${missing}`, EXIT.badInput);
  if (!values.motion && files.length !== 2) {
    throw new CommandError(
      `got ${files.length} videos, takes two (--help explains)`,
      EXIT.badInput,
    );
  }
  const lpips = (values.lpips ?? []).map((path, i) => [`/lpips/${i}`, here(path)]);
  const picture = files[0] ?? join(root, 'examples/canyon.jpg');
  const mounts = values.motion
    ? { '/picture': picture, '/motion': join(root, 'weights/motion') }
    : { '/a': files[0] ?? '', '/b': files[1] ?? '' };
  const choice = { weights: lpips.map(([place]) => place ?? ''), every: whole(values.every, 8) };
  const server = await serve(builtQuality(values.page && here(values.page)), {
    ...mounts,
    ...Object.fromEntries(lpips),
  });
  /** @type {import('../bench/quality/page.ts').Adapter | undefined} */
  let adapter;
  const opened = await openInBrowser(
    server.url,
    async (page) =>
      !values.motion ||
      (adapter = await page.evaluate(() => globalThis.quality.open())) !== undefined,
    {
      ...(values.browser !== undefined && { path: values.browser }),
      software: values.software === true,
    },
  );
  try {
    const { page } = opened;
    if (adapter) {
      const { longSide, frames, steps } = adapter.software ? SHORT : USUAL;
      const wishes = {
        longSide: whole(values.size, longSide),
        frames: whole(values.frames, frames),
        steps: whole(values.steps, steps),
      };
      const { browser } = opened;
      console.log(
        `${await browser.version()} on ${deviceName(adapter)}, ${JSON.stringify(wishes)}`,
      );
      await compareStorages(page, wishes, choice, (rows) =>
        save({ adapter, wishes, rows }, values.json),
      );
    } else {
      const likeness = await page.evaluate(
        (how) => globalThis.quality.compare('/a', '/b', how),
        choice,
      );
      console.log(markdownTable(['', ...LIKENESS], [['', ...cells(likeness)]]));
      save(likeness, values.json);
    }
  } finally {
    await opened.browser.close();
    await server.close();
  }
  return 0;
}

/**
 * Runs the built-in model at one storage after the other; tells steps and rows as they come.
 * @param {import('./lib/browser.mjs').Page} page
 * @param {import('../bench/quality/motion.ts').MotionWishes} wishes
 * @param {LpipsChoice} choice
 * @param {(rows: readonly StorageRow[]) => void} keep
 */
async function compareStorages(page, wishes, choice, keep) {
  page.on('console', (message) => {
    if (message.type() === 'info') console.error(message.text());
  });
  await page.evaluate(
    (asked, how) => globalThis.quality.prepare('/picture', '/motion/', asked, how),
    wishes,
    choice,
  );
  console.log(markdownTable(['weights', 's', ...LIKENESS], []));
  /** @type {StorageRow[]} */
  const rows = [];
  for (const storage of STORAGES) {
    const row = await page.evaluate(
      (name, how) => globalThis.quality.run(name, how),
      storage,
      choice,
    );
    const seconds = Object.values(row.elapsedMs).reduce((sum, ms) => sum + ms, 0) / 1000;
    const told = row.likeness ? cells(row.likeness) : LIKENESS.map(() => '—');
    console.log(markdownLine([storage, seconds.toFixed(1), ...told]));
    rows.push(row);
    keep(rows);
  }
}

/** @param {Likeness} likeness */
function cells({ frames, psnr, worstPsnr, ssim, worstSsim, lpips }) {
  const decibel = (/** @type {number} */ value) =>
    `${Number.isFinite(value) ? value.toFixed(1) : '∞'} dB`;
  return [
    `${frames}`,
    decibel(psnr),
    decibel(worstPsnr),
    ssim.toFixed(4),
    worstSsim.toFixed(4),
    lpips === undefined ? '—' : lpips.toFixed(4),
  ];
}

/**
 * @param {object} figures
 * @param {string | undefined} json
 */
function save(figures, json) {
  if (json) writeFileSync(here(json), `${JSON.stringify(figures, undefined, 2)}\n`);
}

/**
 * @param {readonly string[]} folders
 * @param {string | undefined} json
 */
function golden(folders, json) {
  if (folders.length === 0) throw new CommandError('--golden needs a folder', EXIT.badInput);
  const program = [join(root, 'scripts/run.mjs'), join(root, 'scripts/quality-golden.ts')];
  const args = [...program, ...folders, ...(json ? ['--json', json] : [])];
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? EXIT.failure;
}

function options() {
  const string = /** @type {const} */ ({ type: 'string' });
  const boolean = /** @type {const} */ ({ type: 'boolean' });
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        lpips: /** @type {const} */ ({ type: 'string', multiple: true }),
        ...{ every: string, size: string, frames: string, steps: string, json: string },
        ...{ browser: string, page: string, software: boolean, motion: boolean, golden: boolean },
        help: /** @type {const} */ ({ type: 'boolean', short: 'h' }),
      },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(message.split('. ', 1).join(''), EXIT.badInput);
  }
}

/**
 * @param {string | undefined} text
 * @param {number} byDefault
 */
function whole(text, byDefault) {
  const value = Number(text ?? byDefault);
  if (Number.isInteger(value) && value > 0) return value;
  throw new CommandError(`got "${text}", takes a whole number`, EXIT.badInput);
}

/** @param {string} path meant from the folder where the user stands */
function here(path) {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}
