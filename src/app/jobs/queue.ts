/**
 * The queue of jobs as the page sees it: one runs at a time, all are kept in the browser's database, so that a refresh,
 * a crash or an error loses none. Pictures are kept beside them, finished videos go to whoever `keep`s them.
 */
import type { EngineClient } from '../engine/client.ts';
import type { Failure, Finished, RunEvent } from '../engine/protocol.ts';
import type { Sound } from '../../engine/index.ts';
import type { CrashMarker } from './crash-marker.ts';
import type { KeyedStore } from './database.ts';
import type { Job, NewJob } from './job.ts';
import { isOver } from './job.ts';

/** What happens to a job beside its progress, which `subscribe` tells. */
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
  /** Adds jobs at the end and starts the first that waits. Rejects with the browser's `QuotaExceededError` when pictures do not fit. */
  add(jobs: readonly NewJob[]): Promise<readonly Job[]>;
  /** Puts a job before the one at `index` of `jobs`. */
  move(id: string, index: number): void;
  /** Forgets a job, its pictures and its checkpoint; one that runs is cancelled first. */
  remove(id: string): Promise<void>;
  /** Ends a job that waits, runs or is stopped; resolves when the device is idle. */
  cancel(id: string): Promise<void>;
  /** Ends the denoising of the job that runs; it is done once what there is has been decoded. */
  finishEarly(id: string): void;
  /** Lets the job that runs come to its end and starts no other. */
  stopAfterThis(): void;
  /** Starts waiting jobs again. */
  start(): void;
  /**
   * Makes a job that failed or was cancelled wait again, with other settings where given. A video that was made and could
   * not be kept is kept then.
   */
  retry(id: string, settings?: Job['settings']): void;
  /** Makes a job that was stopped wait again, to go on from its checkpoint. */
  resume(id: string): void;
  /** Forgets all that are over. */
  clear(): Promise<void>;
  /** Says that the offer after a crash was seen. */
  dismissCrash(): void;
  /** Resolves when no change waits to be written. */
  settled(): Promise<void>;
};

export type QueueOptions = {
  readonly engine: Pick<EngineClient, 'run'>;
  readonly jobs: KeyedStore<Job>;
  readonly blobs: KeyedStore<Blob>;
  readonly crash: CrashMarker;
  /** Keeps a finished video; resolves to the id of the result. */
  readonly keep: (job: Job, finished: Finished) => Promise<string>;
  /** Forgets a job's checkpoint. */
  readonly forget: (id: string) => Promise<void>;
  /** Decodes a sound, which workers cannot. */
  readonly decodeSound: (sound: Blob) => Promise<Sound>;
  readonly failureOf: (error: unknown) => Failure;
  readonly now?: () => number;
};

type Running = {
  readonly id: string;
  readonly cancel: AbortController;
  readonly finish: AbortController;
  readonly over: Promise<void>;
};

/** Resolves to the queue as it was left; jobs that ran then are stopped, those that waited go on once `start` is called. */
export async function createQueue(options: QueueOptions): Promise<Queue> {
  const { now = () => Date.now(), crash } = options;
  let jobs: readonly Job[] = (await options.jobs.all())
    .toSorted((a, b) => a.order - b.order)
    .map((job) => (job.state === 'running' ? { ...job, state: 'stopped' } : job));
  const crashedId = crash.left();
  let crashed = jobs.find(({ id }) => id === crashedId);
  let isStarted = false;
  let running: Running | undefined;
  let writing: Promise<unknown> = Promise.resolve();
  /** Videos that could not be kept, for as long as the page lasts: trying the job again keeps them, and makes nothing anew. */
  const unkept = new Map<string, Finished>();
  const listeners = new Set<() => void>();
  const hearers = new Set<(job: Job, event: JobEvent) => void>();

  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const write = (act: () => Promise<unknown>): void => {
    writing = writing.then(act).catch((error: unknown) => {
      console.warn('the queue is not kept:', error); // private windows: it lasts as long as the page
    });
  };
  const put = (job: Job): void => write(() => options.jobs.put(job.id, job));
  const find = (id: string): Job | undefined => jobs.find((job) => job.id === id);
  const change = (id: string, by: Partial<Job>, isKept = true): void => {
    const job = find(id);
    if (!job) return;
    const changed = { ...job, ...by };
    jobs = jobs.map((each) => (each === job ? changed : each));
    if (isKept) put(changed);
    tell();
  };
  const reorder = (list: readonly Job[]): void => {
    const ordered = list.map((job, order) => (job.order === order ? job : { ...job, order }));
    for (const job of ordered) if (!jobs.includes(job)) put(job);
    jobs = ordered;
    tell();
  };

  /** Starts the first job that waits, where none runs. */
  const next = (): void => {
    const job = isStarted && !running ? jobs.find(({ state }) => state === 'waiting') : undefined;
    if (!job) return;
    const [cancel, finish] = [new AbortController(), new AbortController()];
    const over = runOne(job, cancel.signal, finish.signal).finally(() => {
      running = undefined;
      crash.clear();
      next();
    });
    running = { id: job.id, cancel, finish, over };
    crash.set(job.id);
  };

  const runOne = async (job: Job, signal: AbortSignal, finishEarly: AbortSignal): Promise<void> => {
    const { id } = job;
    jobs = jobs.map((each) => (each.id === id ? withoutEnd(each) : each));
    change(id, { state: 'running', startedAt: now() });
    try {
      const finished = unkept.get(id) ?? (await make(job, signal, finishEarly));
      unkept.set(id, finished);
      const resultId = await options.keep(find(id) ?? job, finished);
      unkept.delete(id);
      const { stepsDone } = finished.report.model;
      const endedEarly = stepsDone !== undefined && stepsDone < finished.report.settings.steps;
      change(id, { state: 'done', resultId, endedEarly, finishedAt: now() });
    } catch (error) {
      const failure = options.failureOf(error);
      const isCancelled = failure.code === 'cancelled';
      const state = isCancelled ? 'cancelled' : 'failed';
      change(id, { state, finishedAt: now(), ...(!isCancelled && { failure }) });
      if (isCancelled) await options.forget(id).catch(() => undefined);
    }
  };

  const make = async (job: Job, signal: AbortSignal, finishEarly: AbortSignal) =>
    options.engine.run(await wishesOf(job, options), {
      ...{ signal, finishEarly },
      onEvent: (event) => hear(job.id, event),
    });

  const hear = (id: string, event: RunEvent): void => {
    if (event.type === 'progress') {
      change(id, { progress: event.progress }, false); // too often to be written
      return;
    }
    if (event.type === 'notice' && event.notice.kind === 'checkpoint') {
      const { step, steps } = event.notice;
      change(id, { checkpoint: { step, steps } });
    }
    const job = find(id);
    if (job) for (const hearer of hearers) hearer(job, event);
  };

  const again = (id: string, by: Partial<Job>): void => {
    change(id, { ...by, state: 'waiting' });
    isStarted = true;
    next();
  };

  const queue: Queue = {
    get jobs() {
      return jobs;
    },
    get running() {
      return isStarted;
    },
    get crashed() {
      return crashed;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onEvent(listener) {
      hearers.add(listener);
      return () => hearers.delete(listener);
    },
    async add(added) {
      const order = 1 + Math.max(-1, ...jobs.map((job) => job.order));
      const made: Job[] = [];
      for (const [i, { picture, lastPicture, sound, ...wishes }] of added.entries()) {
        const id = crypto.randomUUID();
        const blobs = { picture, lastPicture, sound };
        for (const [role, blob] of Object.entries(blobs)) {
          if (blob) await options.blobs.put(`${id}/${role}`, blob);
        }
        const ids = Object.entries(blobs).flatMap(([role, blob]) =>
          blob ? [[role, `${id}/${role}`]] : [],
        );
        const base = { id, createdAt: now(), order: order + i, state: 'waiting' } as const;
        made.push({ ...wishes, ...base, ...(Object.fromEntries(ids) as Partial<Job>) });
      }
      jobs = [...jobs, ...made];
      for (const job of made) put(job);
      isStarted = true;
      tell();
      next();
      return made;
    },
    move(id, index) {
      const job = find(id);
      if (!job) return;
      const others = jobs.filter((each) => each !== job);
      const before = jobs.slice(0, index).filter((each) => each !== job).length;
      reorder([...others.slice(0, before), job, ...others.slice(before)]);
    },
    async remove(id) {
      await queue.cancel(id);
      const job = find(id);
      if (!job) return;
      jobs = jobs.filter((each) => each !== job);
      unkept.delete(id);
      if (crashed?.id === id) crashed = undefined;
      for (const blob of [job.picture, job.lastPicture, job.sound])
        if (blob !== undefined) write(() => options.blobs.delete(blob));
      write(() => options.jobs.delete(id));
      write(() => options.forget(id));
      tell();
    },
    async cancel(id) {
      const job = find(id);
      if (!job || isOver(job)) return;
      if (running?.id !== id) {
        change(id, { state: 'cancelled', finishedAt: now() });
        write(() => options.forget(id));
        return;
      }
      const { cancel, over } = running;
      cancel.abort();
      await over;
    },
    finishEarly(id) {
      if (running?.id === id) running.finish.abort();
    },
    stopAfterThis() {
      isStarted = false;
      tell();
    },
    start() {
      isStarted = true;
      tell();
      next();
    },
    retry(id, settings) {
      const job = find(id);
      if (!job || (job.state !== 'failed' && job.state !== 'cancelled')) return;
      if (settings) unkept.delete(id); // another video is wanted
      again(id, settings ? { settings } : {});
    },
    resume(id) {
      if (find(id)?.state === 'stopped') again(id, {});
    },
    async clear() {
      for (const job of jobs.filter(isOver)) await queue.remove(job.id);
    },
    dismissCrash() {
      crashed = undefined;
      tell();
    },
    async settled() {
      await running?.over;
      await writing;
    },
  };
  for (const job of jobs) if (job.state === 'stopped') put(job);
  return queue;
}

/** Returns a job without what its last run left. */
function withoutEnd(job: Job): Job {
  const left: readonly string[] = ['failure', 'finishedAt', 'progress', 'resultId', 'endedEarly'];
  const kept = Object.entries(job).filter(([key]) => !left.includes(key));
  return Object.fromEntries(kept) as Job;
}

/** A job with its pictures in place of their ids. */
async function wishesOf(job: Job, { blobs, decodeSound }: QueueOptions) {
  const blobOf = async (id: string | undefined): Promise<Blob | undefined> => {
    if (id === undefined) return undefined;
    const blob = await blobs.get(id);
    if (!blob) throw new Error('the picture of this job is gone');
    return blob;
  };
  const { model, settings, focus, id: checkpoints } = job;
  const [picture, lastPicture] = [await blobOf(job.picture), await blobOf(job.lastPicture)];
  const sound = await blobOf(job.sound);
  return {
    ...{ model, settings, checkpoints },
    ...(focus && { focus }),
    ...(picture && { picture }),
    ...(lastPicture && { lastPicture }),
    ...(sound && { sound: await decodeSound(sound) }),
  };
}
