/**
 * `npm run bench -- --released FOLDER`: a released Wan model at real size, from its files to an MP4 in a browser: the time,
 * the memory and the work of every stage. Plain JavaScript: a built page, Node and puppeteer are all it needs.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { openInBrowser } from '../lib/browser.mjs';
import { builtReleased } from '../lib/build.mjs';
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { serveInThread } from './serve-thread.mjs';
import { columns, number } from './table.mjs';

/** @typedef {import('../../bench/released/run.ts').ReleasedRow} ReleasedRow */
/** @typedef {import('../../bench/released/run.ts').RowResult} RowResult */
/** @typedef {{ bytes: number, backing: number, samples: { ms: number, backing: number }[] }} Heap most bytes of the worker's heap, and of the arrays behind it; the latter as they were over the run */

const MODEL = '/model';
const WEIGHTS = 'transformer/diffusion_pytorch_model.safetensors';
/** How often the worker's memory is looked at. */
const SAMPLE_MS = 200;
/** Bytes that are read to learn how fast this machine reads at best. */
const PROBE_BYTES = 1e9;
const GIB = 2 ** 30;

const HEADERS = {
  'Content-Security-Policy': "default-src 'self' 'unsafe-inline'",
  'Cache-Control': 'no-store',
};

const HELP = `npm run bench -- --released FOLDER [OPTION...]

  FOLDER           a released Wan model; scripts/random-checkpoint.ts writes one with random weights
  --rows LIST      e.g. "int4 49x4, int4 49x4, f16 121x20": storage of the weights (f16, int8, w8a8, int4), frames x
                   steps; +guided runs each step twice, +stream reads weights block by block. Quantised weights are kept, so a second row of the same storage reads them back
  --by http|input  how files reach the page: from this command's server (default), or picked in a file input
  --size WxH       (default: 832x480)
  --limit TFLOPS   what the chip can do, to tell the share of it (989 for an H200 in f16)
  --json FILE      all figures, written after every row
  --forget         keep no quantised weights
  --seconds S      give up on a row after so long (default: 600)
  --f32            compute in f32
  --browser PATH, --software, --page DIR (a built page to use as it is)`;

/**
 * @param {readonly string[]} args what follows `--released`
 * @returns {Promise<number>} the exit code
 */
export async function benchReleased(args) {
  const string = /** @type {const} */ ({ type: 'string' });
  const boolean = /** @type {const} */ ({ type: 'boolean' });
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...{ rows: string, size: string, limit: string, json: string, seconds: string, by: string },
      ...{ browser: string, page: string, f32: boolean, software: boolean, help: boolean },
      forget: boolean,
    },
  });
  const [given] = positionals;
  if (values.help || given === undefined) {
    console.log(HELP);
    return values.help ? 0 : EXIT.badInput;
  }
  const folder = here(given);
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  const rows = (values.rows ?? 'int4 49x4').split(',').map((row) => parseRow(row.trim()));
  const [width = 832, height = 480] = (values.size ?? '832x480').split('x').map(Number);
  const limit = Number(values.limit ?? NaN);
  const byInput = values.by === 'input';
  const server = await serveInThread(
    builtReleased(values.page && here(values.page)),
    byInput ? {} : { [MODEL]: folder },
    HEADERS,
  );
  const address = byInput ? undefined : `${server.url}${MODEL.slice(1)}/`;
  const report = {
    date: new Date().toISOString(),
    model: basename(folder),
    rows: /** @type {object[]} */ ([]),
  };
  /** @type {import('../lib/browser.mjs').Browser | undefined} */
  let browser;
  try {
    let adapter;
    const opened = await openInBrowser(
      server.url,
      async (page) =>
        (adapter = await page.evaluate(() => globalThis.released.open())) !== undefined,
      {
        ...(values.browser !== undefined && { path: values.browser }),
        software: values.software === true,
      },
    );
    browser = opened.browser;
    const { page } = opened;
    page.on('console', (message) => {
      if (message.type() === 'error') console.error(`page: ${message.text()}`);
    });
    if (byInput) {
      const input = await page.$('input');
      await /** @type {import('puppeteer').ElementHandle<HTMLInputElement>} */ (input).uploadFile(
        ...paths.map((path) => join(folder, path)),
      );
    }
    const wire = await page.evaluate(
      (bytes, url) => globalThis.released.wire(bytes, url),
      PROBE_BYTES,
      address && `${address}${WEIGHTS}`,
    );
    console.log(
      `${JSON.stringify(adapter)}\nfiles of this disk reach the page at ${number(wire / 1e9)} GB/s`,
    );
    Object.assign(report, { adapter, browser: await browser.version(), wireBytesPerSecond: wire });
    for (const row of rows) {
      /** @type {ReleasedRow} */
      const job = {
        ...{ paths, folder: address, keep: values.forget ? undefined : basename(folder) },
        ...{ width, height, frames: row.frames, steps: row.steps, guidance: row.guided ? 5 : 1 },
        ...{ precision: values.f32 ? 'f32' : 'f16', weights: row.weights, stream: row.stream },
      };
      console.log(`\n${row.name}, ${width}x${height}`);
      const seconds = Number(values.seconds ?? 600);
      const result = await watched(page, job, seconds).catch((error) => String(error));
      const failed = typeof result === 'string';
      const disk = failed
        ? 0
        : await page.evaluate((bytes) => globalThis.released.disk(bytes), PROBE_BYTES);
      report.rows.push({ name: row.name, width, height, diskBytesPerSecond: disk, result });
      if (values.json !== undefined)
        writeFileSync(here(values.json), JSON.stringify(report, undefined, 2));
      console.log(
        typeof result === 'string' ? `failed: ${result}` : describe(result, { limit, wire, disk }),
      );
      if (failed) break; // it may still be at work, and another row beside it would measure nothing
    }
  } finally {
    await browser?.close();
    await server.close();
  }
  return report.rows.some((row) => 'result' in row && typeof row.result === 'string')
    ? EXIT.failure
    : 0;
}

/** @param {string} text e.g. `int4 49x4+guided` */
function parseRow(text) {
  const [, storage, frames, steps, guided, stream] =
    /^(f16|int8|w8a8|int4) (\d+)x(\d+)(\+guided)?(\+stream)?$/.exec(text) ?? [];
  if (storage === undefined) {
    throw new CommandError(`--rows got "${text}", takes e.g. "int4 49x4"`, EXIT.badInput);
  }
  const weights = storage === 'f16' ? undefined : /** @type {ReleasedRow['weights']} */ (storage);
  return {
    name: text,
    weights,
    frames: Number(frames),
    steps: Number(steps),
    guided: guided !== undefined,
    stream: stream !== undefined,
  };
}

/**
 * Runs a row, tells where it is now and then, and gives up after `seconds`.
 * @param {import('../lib/browser.mjs').Page} page
 * @param {ReleasedRow} job
 * @param {number} seconds
 * @returns {Promise<RowResult & { heap: Heap }>}
 */
async function watched(page, job, seconds) {
  let told = 0;
  /** @type {Heap} */
  const heap = { bytes: 0, backing: 0, samples: [] };
  const begun = performance.now();
  const sampler = setInterval(() => {
    for (const worker of page.workers()) {
      worker.client
        .send('Runtime.getHeapUsage')
        .then(({ usedSize, ...more }) => {
          heap.bytes = Math.max(heap.bytes, usedSize);
          const { backingStorageSize = 0 } = /** @type {{ backingStorageSize?: number }} */ (more);
          heap.backing = Math.max(heap.backing, backingStorageSize);
          heap.samples.push({ ms: performance.now() - begun, backing: backingStorageSize });
        })
        .catch(() => undefined);
    }
  }, SAMPLE_MS);
  const timer = setInterval(() => {
    void page
      .evaluate(() => globalThis.released.said())
      .then((said) => {
        for (const line of said.slice(told)) console.log(`  ${line}`);
        told = said.length;
      })
      .catch(() => undefined);
  }, 2000);
  /** @type {NodeJS.Timeout | undefined} */
  let late;
  try {
    const result = await Promise.race([
      page.evaluate((row) => globalThis.released.run(row), job),
      new Promise((_, reject) => {
        late = setTimeout(() => reject(new Error(`no end after ${seconds} s`)), 1000 * seconds);
      }),
    ]);
    return { ...result, heap };
  } finally {
    clearInterval(sampler);
    clearInterval(timer);
    clearTimeout(late);
  }
}

/**
 * @param {RowResult & { heap: Heap }} result
 * @param {{ limit: number, wire: number, disk: number }} speeds
 */
function describe(result, { limit, wire, disk }) {
  const { stages, stepMs, readings } = result;
  const widths = [24, -9, -9, -10, -11, -9];
  const text = (/** @type {number} */ ms) => (ms / 1000).toFixed(2);
  const readIn = (/** @type {string} */ stage) =>
    readings
      .filter((each) => each.stage === stage)
      .reduce((sum, each) => sum + each.readMs + each.keepMs, 0);
  // An expert that arrives while the other one works costs no time of its own.
  const stepping = stepMs.length * (stepMs.toSorted((a, b) => a - b)[stepMs.length >> 1] ?? 0);
  let until = 0;
  const lines = stages.map(({ name, ms, peakBytes, tflop }) => {
    const from = until;
    until = name === 'decode' ? Infinity : until + ms; // frames are written while others are decoded
    const arrays = result.heap.samples
      .filter((sample) => sample.ms >= from && sample.ms < until)
      .reduce((most, { backing }) => Math.max(most, backing), 0);
    const busy = Math.max(name === 'denoise' ? stepping : 1, ms - readIn(name));
    const speed = tflop > 0 ? (1000 * tflop) / busy : 0;
    const share = speed > 0 && limit > 0 ? ` (${((100 * speed) / limit).toFixed(1)} %)` : '';
    return columns(
      [
        name,
        text(ms),
        text(busy),
        (peakBytes / GIB).toFixed(2),
        arrays > 0 ? number(arrays / 1e6) : '',
        speed > 0 ? number(speed) + share : '',
      ],
      widths,
    );
  });
  const reads = readings.map(({ part, from, stage, bytes, readMs, keepMs, keptBytes }) => {
    const rate = (1000 * bytes) / Math.max(1, readMs);
    const best = from === 'storage' ? disk : wire;
    const share = best > 0 ? `${((100 * rate) / best).toFixed(0)} % of what it gives` : '';
    const kept = keptBytes > 0 ? `, kept ${number(keptBytes / 1e9)} GB in ${text(keepMs)} s` : '';
    return `  ${stage}: ${part} from ${from}, ${number(bytes / 1e9)} GB in ${text(readMs)} s, ${number(rate / 1e9)} GB/s, ${share}${kept}`;
  });
  return [
    columns(['stage', 's', 's busy', 'peak GiB', 'arrays MB', 'TFLOP/s'], widths),
    ...lines,
    `steps: ${stepMs.map(text).join(' ')} s`,
    ...reads,
    `whole ${text(result.totalMs)} s, loading ${text(result.loadMs)} s, the rest ${text(result.afterLoadMs)} s; peak ${(result.peakBytes / GIB).toFixed(2)} GiB, foretold ${(result.foretoldBytes / GIB).toFixed(2)}; heap ${number(result.heap.bytes / 1e6)} MB and ${number(result.heap.backing / 1e6)} MB of arrays; video ${result.videoBytes} bytes, ${result.varied ? 'varied' : 'NOT varied'}`,
  ].join('\n');
}

/** @param {string} path meant from the folder where the user stands */
const here = (path) => resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
