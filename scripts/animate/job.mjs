/** One job in the browser: start, follow, stop, and fetch the file. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, EXIT } from '../lib/command-error.mjs';

/** @typedef {import('puppeteer').Page} Page */
/** @typedef {import('../../src/app/automation.ts').AutomationJob} AutomationJob */
/** @typedef {import('../../src/app/automation.ts').SpeechJob} SpeechJob */
/** @typedef {import('../../src/app/running-clock.ts').LiveProgress} LiveProgress */

const POLL_MS = 200;
const PIECE_BYTES = 2 ** 20;

/** Failures that better input would mend. */
const INPUT_CODES = /^(settings|image|model|wan|clip|audio|avatar)\//;

/**
 * Runs `job` in the page and resolves to the file and its report. `signal` stops it.
 * Throws a `CommandError` with the exit code that fits.
 * @param {Page} page
 * @param {AutomationJob} job
 * @param {AbortSignal} signal
 * @param {(progress: LiveProgress) => void} onProgress
 */
export async function runJob(page, job, signal, onProgress) {
  const run = page.evaluate((given) => globalThis.zoetrope.animate(given), job);
  const outcome = await follow(page, run, signal, onProgress);
  if (!outcome.ok) throw commandError(outcome.failure);
  return {
    file: await fetchFile(page, outcome.bytes),
    video: outcome.video,
    report: outcome.report,
  };
}

/**
 * The same for a picture that is to speak.
 * @param {Page} page
 * @param {SpeechJob} job
 * @param {AbortSignal} signal
 * @param {(progress: LiveProgress) => void} onProgress
 */
export async function runSpeech(page, job, signal, onProgress) {
  const run = page.evaluate((given) => globalThis.zoetrope.speak(given), job);
  const outcome = await follow(page, run, signal, onProgress);
  if (!outcome.ok) throw commandError(outcome.failure);
  const { soundCodec, totalMs, peakGpuBytes, ...video } = outcome.video;
  return {
    file: await fetchFile(page, outcome.bytes),
    video,
    report: { soundCodec, totalMs, peakGpuBytes },
  };
}

/**
 * Resolves with `run`, a job in the page; tells its progress and passes a stop on.
 * @template R
 * @param {Page} page
 * @param {Promise<R>} run
 * @param {AbortSignal} signal
 * @param {(progress: LiveProgress) => void} onProgress
 * @returns {Promise<R>}
 */
async function follow(page, run, signal, onProgress) {
  let ended = false;
  const result = run
    .catch((cause) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CommandError(`the browser stopped: ${reason.split('\n', 1).join('')}`);
    })
    .finally(() => (ended = true));
  // Awaited below; a failure while this loop sleeps must not count as unhandled.
  result.catch(() => undefined);
  let cancelled = false;
  while (!ended) {
    if (signal.aborted && !cancelled) {
      cancelled = true;
      await page.evaluate(() => globalThis.zoetrope.cancel());
    }
    const event = await page.evaluate(() => globalThis.zoetrope.progress());
    if (event) onProgress(event);
    await Promise.race([result, sleep(POLL_MS)]);
  }
  return result;
}

/**
 * @param {Page} page
 * @param {number} bytes
 * @returns {Promise<Buffer>}
 */
async function fetchFile(page, bytes) {
  const pieces = [];
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    const piece = await page.evaluate(
      (start, end) => globalThis.zoetrope.piece(start, end),
      at,
      Math.min(bytes, at + PIECE_BYTES),
    );
    pieces.push(Buffer.from(piece, 'base64'));
  }
  return Buffer.concat(pieces);
}

/**
 * @param {import('../../src/app/engine/protocol.ts').Failure} failure
 * @returns {CommandError}
 */
function commandError({ code, message }) {
  const text = message.replace(` (${code})`, '');
  if (code === 'cancelled') return new CommandError('cancelled', EXIT.cancelled);
  return new CommandError(text, INPUT_CODES.test(code) ? EXIT.badInput : EXIT.failure);
}
