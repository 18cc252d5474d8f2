/** The page's queue, put together: the browser's database, the engine, and a lock that keeps two tabs apart. */
import { EngineError } from '../../engine/index.ts';
import type { EngineClient } from '../engine/client.ts';
import { RunError } from '../engine/client.ts';
import type { Failure, Finished } from '../engine/protocol.ts';
import { decodeSound } from '../sound.ts';
import { privateFiles } from './checkpoints.ts';
import { crashMarker } from './crash-marker.ts';
import { databaseStore, memoryStore } from './database.ts';
import type { Job } from './job.ts';
import type { Queue } from './queue.ts';
import { createQueue } from './queue.ts';

const LOCK = 'zoetrope/queue';

/**
 * Resolves to the queue. The first tab has the one that is kept; a second tab has one of its own, which lasts as long as
 * it does: two would run the same jobs.
 */
export async function openQueue(
  engine: EngineClient,
  keep: (job: Job, finished: Finished) => Promise<string>,
): Promise<Queue> {
  const isFirst = await takeLock();
  return createQueue({
    ...{ engine, keep, decodeSound, failureOf },
    jobs: isFirst ? databaseStore('jobs') : memoryStore(),
    blobs: isFirst ? databaseStore('blobs') : memoryStore(),
    crash: crashMarker(localStorage, globalThis),
    forget: (id) => privateFiles().remove(id),
  });
}

/** Resolves to whether this tab has the lock, which it then keeps until it is closed. */
const takeLock = (): Promise<boolean> =>
  new Promise((resolve) => {
    void navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock ? new Promise(() => undefined) : undefined;
    });
  });

function failureOf(error: unknown): Failure {
  if (error instanceof RunError) return error.failure;
  if (error instanceof EngineError) return { code: error.code, message: error.message };
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}
