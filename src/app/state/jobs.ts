/** The queue as the page shows it: its jobs, what the one that runs tells, and how the last one ended. */
import { batch, computed, signal } from '@preact/signals';
import type { Failure, Notice, Shown } from '../engine/protocol.ts';
import type { Job, NewJob } from '../jobs/job.ts';
import type { JobEvent, Queue } from '../jobs/queue.ts';
import { RunningClock } from '../running-clock.ts';
import type { LiveProgress } from '../running-clock.ts';
import { listResults, showResult } from './history.ts';

/** The queue; undefined until it was read from the browser's storage. */
export const queue = signal<Queue | undefined>(undefined);
/** All jobs in their order. */
export const jobs = signal<readonly Job[]>([]);
/** Whether waiting jobs wait for a word. */
export const paused = signal(false);
/** A job that went down with the page or the browser. */
export const crashed = signal<Job | undefined>(undefined);

/** The job that runs. */
export const current = computed(() => jobs.value.find(({ state }) => state === 'running'));
/** How far it is, kept going between its reports; undefined before the first. */
export const live = signal<LiveProgress | undefined>(undefined);
/** What its video is becoming. */
export const preview = signal<Shown | undefined>(undefined);
/** What happened on its way. */
export const notices = signal<readonly Notice[]>([]);
/** When its last sign of life came, as `performance.now` counts, and how much the device has been given. */
export const beat = signal<{ readonly at: number; readonly submits: number } | undefined>(
  undefined,
);
/** How the last job ended that did not end well, or why none began. */
export const failure = signal<Failure | undefined>(undefined);
/** Id of the last video that was finished while the page was open. */
export const finished = signal<string | undefined>(undefined);

const TICK_MS = 500;
let clock = new RunningClock();
let watched: string | undefined;

/** Follows the queue for as long as the page is there. */
export function followQueue(opened: Queue): void {
  queue.value = opened;
  const read = (): void =>
    batch(() => {
      jobs.value = opened.jobs;
      paused.value = !opened.running;
      crashed.value = opened.crashed;
      follow(current.value);
    });
  opened.subscribe(read);
  opened.onEvent((job, event) => {
    if (job.id === watched) take(event);
  });
  setInterval(() => (live.value = clock.read()), TICK_MS);
  read();
  // What the tab may have died of is not begun again without a word.
  if (!opened.crashed) opened.start();
}

/** Adds jobs. */
export async function addJobs(wanted: readonly NewJob[]): Promise<void> {
  failure.value = undefined;
  await queue.value?.add(wanted);
}

/** Ends the job that runs. */
export const cancel = (): void => {
  if (current.value) void queue.value?.cancel(current.value.id);
};

/** Ends its denoising; what there is becomes the video. */
export const finishEarly = (): void => {
  if (current.value) queue.value?.finishEarly(current.value.id);
};

/** Notes that another job runs, or how the one that ran has ended. */
function follow(running: Job | undefined): void {
  if (running?.id !== watched) {
    const before = jobs.value.find(({ id }) => id === watched);
    if (before) ended(before);
    watched = running?.id;
    clock = new RunningClock();
    live.value = undefined;
    preview.value = undefined;
    beat.value = undefined;
    if (running) {
      notices.value = [];
      failure.value = undefined;
    }
  }
  if (running?.progress) {
    clock.take(running.progress);
    live.value = clock.read();
  }
}

function ended({ state, resultId, failure: reason }: Job): void {
  if (state === 'failed') failure.value = reason;
  if (state === 'cancelled') failure.value = { code: 'cancelled', message: 'cancelled' };
  if (state !== 'done' || resultId === undefined) return;
  finished.value = resultId;
  void listResults();
  void showResult(resultId);
}

function take(event: JobEvent): void {
  if (event.type === 'preview') preview.value = event.preview;
  if (event.type === 'frame') preview.value = event.frame;
  if (event.type === 'heartbeat') beat.value = { at: performance.now(), submits: event.submits };
  if (event.type === 'notice') notices.value = [...notices.value, event.notice];
}
