/** Serves a folder from a thread of its own, so that a busy command does not hold files up; see lib/serve.mjs. */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { serve } from '../lib/serve.mjs';

/**
 * Serves as `serve` does.
 * @param {Parameters<typeof serve>} what
 * @returns {Promise<import('../lib/serve.mjs').Served>}
 */
export async function serveInThread(...what) {
  const worker = new Worker(new URL(import.meta.url), { workerData: what });
  const url = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { url, close: async () => void (await worker.terminate()) };
}

if (!isMainThread) {
  const { url } = await serve(.../** @type {Parameters<typeof serve>} */ (workerData));
  parentPort?.postMessage(url);
}
