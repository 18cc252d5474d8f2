/** The queue of jobs as the page sees it. */
import type { RunEvent } from '../engine/protocol.ts';
import type { Job, NewJob } from './job.ts';

/** What happens to a job beside its state, which `subscribe` tells. */
export type JobEvent = Exclude<RunEvent, { type: 'progress' }>;

export type Queue = {
  /** All jobs in the order in which they run; a new list after each change. */
  readonly jobs: readonly Job[];
  /** Whether waiting jobs are started when the one before is over. */
  readonly running: boolean;
  /** A job that ran when the page or the browser went down without a word, as for want of memory: offer a smaller preset. */
  readonly crashed: Job | undefined;
  /** Calls `listener` after each change of `jobs`, `running` or `crashed`; returns what ends that. */
  subscribe(listener: () => void): () => void;
  /** Calls `listener` with previews, frames, heartbeats and notices of the job that runs; returns what ends that. */
  onEvent(listener: (job: Job, event: JobEvent) => void): () => void;
  /** Adds jobs at the end and starts the first that waits. Rejects with `AppError` `storage/quota` when blobs do not fit. */
  add(jobs: readonly NewJob[]): Promise<readonly Job[]>;
  /** Puts a job before the one at `index` of `jobs`. */
  move(id: string, index: number): void;
  /** Forgets a job, its blobs and its checkpoint; one that runs is cancelled first. */
  remove(id: string): Promise<void>;
  /** Ends a job that waits, runs or is stopped; resolves when the device is idle. */
  cancel(id: string): Promise<void>;
  /** Ends the denoising of the job that runs; it is done once what there is has been decoded. */
  finishEarly(id: string): void;
  /** Lets the job that runs come to its end and starts no other. */
  stopAfterThis(): void;
  /** Starts waiting jobs again. */
  start(): void;
  /** Makes a job that failed or was cancelled wait again, from its beginning; with other settings where given. */
  retry(id: string, settings?: Job['settings']): void;
  /** Makes a job that was stopped wait again, to go on from its checkpoint. */
  resume(id: string): void;
  /** Forgets all that are over. */
  clear(): Promise<void>;
  /** Says that the offer after a crash was seen. */
  dismissCrash(): void;
};
