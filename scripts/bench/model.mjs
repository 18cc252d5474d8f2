/** The built-in model end to end, through the app's own worker: once cold, once with everything compiled. */
import { runJob } from '../animate/job.mjs';
import { openInBrowser } from '../lib/browser.mjs';

/** @typedef {import('../../src/engine/run.ts').RunReport} RunReport */

const PRESETS = /** @type {const} */ (['preview', 'standard']);

/**
 * Animates the bundled picture at each preset and prints the time of every stage.
 * @param {string} url
 * @param {import('../lib/browser.mjs').BrowserChoice} choice
 */
export async function benchModel(url, choice) {
  const { browser, page } = await openInBrowser(
    `${url}animate.html`,
    async (candidate) =>
      !('code' in (await candidate.evaluate(() => globalThis.zoetrope.inspect()))),
    choice,
  );
  const runs = [];
  try {
    for (const preset of PRESETS) {
      for (const state of ['first run', 'second run']) {
        const stop = new AbortController();
        const job = { settings: { preset } };
        const { report } = await runJob(page, job, stop.signal, () => undefined);
        console.log(lineOf(preset, state, report));
        runs.push({ preset, state, ...report });
      }
    }
  } finally {
    await browser.close();
  }
  return runs;
}

/**
 * @param {string} preset
 * @param {string} state
 * @param {RunReport} report
 */
function lineOf(preset, state, { size, timings, totalMs, tier, peakGpuBytes, settings }) {
  const stages = Object.entries(timings).map(([name, ms]) => `${name} ${(ms / 1000).toFixed(2)} s`);
  const what = `${size.width}x${size.height}, ${settings.frames} frames, ${settings.steps} steps, ${tier}`;
  const memory = `${Math.round(peakGpuBytes / 1e6)} MB`;
  return `motion ${preset} (${what}), ${state}: ${(totalMs / 1000).toFixed(2)} s = ${stages.join(' + ')}; ${memory}`;
}
