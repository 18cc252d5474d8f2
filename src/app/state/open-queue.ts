/** Opens the queue of this page: where it is kept, what runs its jobs, and where finished videos go. */
import { signal } from '@preact/signals';
import type { Span } from '../../engine/index.ts';
import { RunError } from '../engine/client.ts';
import { failureOf } from '../engine/failure.ts';
import type { Finished } from '../engine/protocol.ts';
import { privateFiles } from '../jobs/checkpoints.ts';
import { crashMarker } from '../jobs/crash-marker.ts';
import { databaseStore, memoryStore } from '../jobs/database.ts';
import type { KeyedStore } from '../jobs/database.ts';
import type { Job } from '../jobs/job.ts';
import { takeQueueLock } from '../jobs/queue-lock.ts';
import { createQueue } from '../jobs/queue.ts';
import type { Queue } from '../jobs/queue.ts';
import { posterOf } from '../output/poster.ts';
import { decodeSound } from '../sound.ts';
import { add } from '../storage/history.ts';
import { engine } from './engine.ts';
import { modelName } from './models.ts';

/** The profile of the last run, behind `?profile`. */
export const profile = signal<readonly Span[] | undefined>(undefined);

const asked = new URLSearchParams(location.search);
/** `?profile` shows the times of every kernel; `?tune` times their variants on a processor too. */
const measures = { profile: asked.has('profile'), ...(asked.has('tune') && { tune: true }) };

/** Resolves to the queue; where the browser keeps nothing, and in a second tab, it lasts as long as the page. */
export async function openQueue(): Promise<Queue> {
  const files = privateFiles();
  const jobs = databaseStore<Job>('jobs');
  const forgotten = () => ({ jobs: memoryStore<Job>(), blobs: memoryStore<Blob>() });
  const stores: { jobs: KeyedStore<Job>; blobs: KeyedStore<Blob> } = !(await takeQueueLock())
    ? forgotten()
    : await jobs.all().then(() => ({ jobs, blobs: databaseStore<Blob>('blobs') }), forgotten);
  return createQueue({
    ...stores,
    ...{ keep, decodeSound, crash: crashMarker(localStorage, window) },
    engine: {
      run: (wishes, handlers) => engine.run({ ...wishes, measures, keepFrames: true }, handlers),
    },
    forget: (id) => files.remove(id),
    failureOf: (error) => (error instanceof RunError ? error.failure : failureOf(error)),
  });
}

/** Stores a finished video; resolves to its id in the history. */
async function keep({ model }: Job, { video, report, profile: spans }: Finished): Promise<string> {
  const { file, soundCodec, ...facts } = video;
  const blob = new Blob([file], { type: video.type });
  const poster = video.type.startsWith('image/') ? blob : await posterOf(blob);
  profile.value = spans;
  return add({
    ...facts,
    model: modelName(model),
    settings: report.settings,
    hasSound: soundCodec !== undefined,
    video: blob,
    ...(poster && { poster }),
  });
}
