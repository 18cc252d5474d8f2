/** A job: one video (or picture) that is wanted, with everything needed to make it, as plain data that outlives the page. */
import type { ProgressEvent, Settings } from '../../engine/index.ts';
import type { Failure, ModelChoice } from '../engine/protocol.ts';

/**
 * `waiting` in the queue; `running`; `stopped` with a checkpoint or none, by the page going away or by a person, to be
 * resumed; `failed`; `done`; `cancelled`.
 */
export type JobState = 'waiting' | 'running' | 'stopped' | 'failed' | 'done' | 'cancelled';

/** What a job is asked for. */
export type JobWishes = {
  readonly model: ModelChoice;
  /** Ids of blobs that the queue's store keeps. */
  readonly picture?: string;
  /** See `RunWishes`. */
  readonly focus?: { readonly x: number; readonly y: number };
  readonly lastPicture?: string;
  readonly sound?: string;
  readonly settings: Partial<Settings>;
};

export type Job = JobWishes & {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Place in the queue. */
  readonly order: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly state: JobState;
  /** How far its run is; absent before the start. */
  readonly progress?: ProgressEvent;
  /** Of a failed job. */
  readonly failure?: Failure;
  /** Id of the result in the history, of a job that is done. */
  readonly resultId?: string;
  /** Steps that a resumed run need not do again. */
  readonly checkpoint?: { readonly step: number; readonly steps: number };
  /** Whether the video was decoded before all steps were made. */
  readonly endedEarly?: boolean;
};

/** A job that is to be added: blobs are stored with it. */
export type NewJob = Omit<JobWishes, 'picture' | 'lastPicture' | 'sound'> & {
  readonly picture?: Blob;
  readonly lastPicture?: Blob;
  readonly sound?: Blob;
};

/** Whether a job has come to its end. */
export const isOver = ({ state }: Pick<Job, 'state'>): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';

/** Returns a job for each picture with each seed, picture by picture. */
export function eachSeed(
  job: NewJob,
  pictures: readonly Blob[],
  seeds: readonly number[],
): NewJob[] {
  return pictures.flatMap((picture) =>
    seeds.map((seed) => ({ ...job, picture, settings: { ...job.settings, seed } })),
  );
}
