/**
 * `npm run animate -- [IMAGE] [OPTION...]`: animates a picture with the app's own engine in a browser without a
 * window. Plain JavaScript, so that a built app, Node and puppeteer are all it needs. Ends with 0, with 1 when
 * something failed, 2 for bad input, 130 after Ctrl-C; a file is written whole or not at all.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import process from 'node:process';
import { runJob, runSpeech } from './animate/job.mjs';
import { withModel } from './animate/fetch.mjs';
import { HELP, readCommand } from './animate/options.mjs';
import { StatusLine, durationText } from './animate/status-line.mjs';
import { openInBrowser } from './lib/browser.mjs';
import { builtApp } from './lib/build.mjs';
import { CommandError, EXIT } from './lib/command-error.mjs';
import { serve } from './lib/serve.mjs';

const PICTURE = '/input/picture';
const LAST = '/input/last';
const MODEL = '/input/model';
const SOUND = '/input/sound';

try {
  const command = readCommand(process.argv.slice(2));
  if (command) await animate(await withModel(command));
  else console.log(HELP);
} catch (error) {
  if (error instanceof CommandError) console.error(`animate: ${error.message}`);
  else console.error(error);
  process.exitCode = error instanceof CommandError ? error.exitCode : EXIT.failure;
}

/** @param {import('./animate/options.mjs').AnimateCommand} command */
async function animate(command) {
  const started = performance.now();
  const stop = new AbortController();
  const onInterrupt = () => stop.abort();
  process.on('SIGINT', onInterrupt);
  const dist = builtApp(command.dist);
  const { model } = command;
  const server = await serve(dist, {
    ...(command.image !== undefined && { [PICTURE]: command.image }),
    ...(command.lastImage !== undefined && { [LAST]: command.lastImage }),
    ...(model && 'folder' in model && { [MODEL]: model.folder }),
    ...(command.speech && { [SOUND]: command.speech.sound }),
  });
  const status = new StatusLine(process.stderr);
  let timer;
  let opened;
  let adapter = '';
  try {
    opened = await openInBrowser(
      `${server.url}animate.html`,
      async (page) => {
        adapter = await adapterLine(page);
        return adapter !== '';
      },
      {
        ...(command.browser !== undefined && { path: command.browser }),
        software: command.software,
      },
    );
    let timedOut = false;
    timer = setTimeout(() => {
      timedOut = true;
      stop.abort();
    }, 1000 * command.timeoutSeconds);
    const picture = command.image === undefined ? {} : { picture: PICTURE };
    const job = {
      ...picture,
      ...(command.lastImage !== undefined && { lastPicture: LAST }),
      ...(model &&
        !('fetch' in model) && { model: 'folder' in model ? { ...model, folder: MODEL } : model }),
      settings: command.settings,
    };
    /** @param {import('../src/app/running-clock.ts').LiveProgress} event */
    const onProgress = (event) => {
      if (adapter !== '') console.error(adapter); // once, when the input has proved good
      adapter = '';
      status.show(event);
    };
    const { page } = opened;
    const { speech } = command;
    const run = speech
      ? runSpeech(
          page,
          { ...picture, sound: SOUND, folder: MODEL, wishes: speech.wishes },
          stop.signal,
          onProgress,
        )
      : runJob(page, job, stop.signal, onProgress);
    const { file, video, report } = await run.catch((error) => {
      throw timedOut ? new CommandError(`gave up after ${command.timeoutSeconds} s`) : error;
    });
    status.clear();
    const output = video.codec === 'png' ? pngBeside(command.output) : command.output;
    writeWhole(output, file);
    const seconds = (performance.now() - started) / 1000;
    if (command.report !== undefined) {
      const browser = await opened.browser.version();
      const facts = { ...report, video, bytes: file.byteLength, browser, commandSeconds: seconds };
      writeWhole(command.report, `${JSON.stringify(facts, undefined, 2)}\n`);
    }
    const { width, height, frames, fps, codec } = video;
    const kilobytes = Math.round(file.byteLength / 1000);
    console.log(
      `${relative(process.cwd(), output)}: ${width}x${height}, ${frames} frames at ${fps} fps, ${codec}, ${kilobytes} kB, ${seconds.toFixed(1)} s (model ${durationText(report.totalMs)})`,
    );
  } finally {
    status.clear();
    clearTimeout(timer);
    process.off('SIGINT', onInterrupt);
    await opened?.browser.close();
    await server.close();
  }
}

/**
 * Returns a line on what the engine will run on; empty when the browser has no WebGPU to offer.
 * @param {import('puppeteer').Page} page
 * @returns {Promise<string>}
 */
async function adapterLine(page) {
  const state = await page.evaluate(() => globalThis.zoetrope.inspect());
  if ('code' in state) return '';
  const kind = state.software ? 'the processor (software adapter)' : 'the graphics card';
  const advice = state.software ? ' Without --preset this makes a preview.' : '';
  return `Computing on ${kind}: ${state.name}, ${state.f16 ? 'with' : 'without'} f16.${advice}`;
}

/**
 * Returns where the picture of a model that makes none but pictures goes.
 * @param {string} output
 */
function pngBeside(output) {
  return output.replace(/\.mp4$/, '.png');
}

/**
 * @param {string} path
 * @param {string | Uint8Array} content
 */
function writeWhole(path, content) {
  const unfinished = `${path}.${process.pid}.part`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(unfinished, content);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new CommandError(
      `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
