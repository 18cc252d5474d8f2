import { describe, expect, it } from 'vitest';
import type { RunHandlers } from '../../src/app/engine/client.ts';
import type { Finished, RunWishes } from '../../src/app/engine/protocol.ts';
import { crashMarker } from '../../src/app/jobs/crash-marker.ts';
import { memoryStore } from '../../src/app/jobs/database.ts';
import type { Job, NewJob } from '../../src/app/jobs/job.ts';
import { eachSeed } from '../../src/app/jobs/job.ts';
import type { Queue } from '../../src/app/jobs/queue.ts';
import { createQueue } from '../../src/app/jobs/queue.ts';

/** A run that the test ends by hand. */
type Call = {
  readonly wishes: RunWishes;
  readonly handlers: RunHandlers;
  finish(stepsDone?: number): void;
  fail(code: string): void;
};

class Coded extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** An engine that waits for the test, and what a page keeps from visit to visit. */
function desk() {
  const calls: Call[] = [];
  const engine = {
    run: (wishes: RunWishes, handlers: RunHandlers = {}) =>
      new Promise<Finished>((resolve, reject) => {
        const fail = (code: string): void => reject(new Coded(code));
        handlers.signal?.addEventListener('abort', () => fail('cancelled'));
        calls.push({
          ...{ wishes, handlers, fail },
          finish: (stepsDone = 6) =>
            resolve({ report: { model: { stepsDone }, settings: { steps: 6 } } } as Finished),
        });
      }),
  };
  const [jobs, blobs] = [memoryStore<Job>(), memoryStore<Blob>()];
  const marks = new Map<string, string>();
  const storage = {
    getItem: (key: string) => marks.get(key) ?? null,
    setItem: (key: string, value: string) => void marks.set(key, value),
    removeItem: (key: string) => void marks.delete(key),
  };
  const kept: string[] = [];
  const forgotten: string[] = [];
  const full = { value: false };
  let page = new EventTarget();
  return {
    ...{ calls, jobs, blobs, kept, forgotten, full },
    /** Opens the page. */
    visit: (): Promise<Queue> => {
      page = new EventTarget();
      return createQueue({
        ...{ engine, jobs, blobs, crash: crashMarker(storage, page), now: () => 1000 },
        async keep(job) {
          if (full.value) throw new Coded('storage/quota');
          return `result ${kept.push(job.id)}`;
        },
        forget: async (id) => void forgotten.push(id),
        decodeSound: () => Promise.reject(new Error('silent')),
        failureOf: (error) => ({ code: (error as Coded).code, message: String(error) }),
      });
    },
    leave: () => page.dispatchEvent(new Event('pagehide')),
  };
}

const picture = new Blob(['picture']);
const wish = (seed: number): NewJob => ({
  ...{ model: { name: 'motion' }, picture, settings: { seed } },
});
const seedsOf = ({ jobs }: Queue): (number | undefined)[] => jobs.map((job) => job.settings.seed);
const statesOf = ({ jobs }: Queue): string => jobs.map(({ state }) => state).join();
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const id = (queue: Queue, index: number): string => queue.jobs[index]?.id ?? '';

describe('the queue', () => {
  it('makes a job of each picture with each seed', () => {
    const other = new Blob(['other']);
    const made = eachSeed(wish(0), [picture, other], [3, 4, 5]);
    expect(made.map((job) => job.settings.seed)).toEqual([3, 4, 5, 3, 4, 5]);
    expect(made.map((job) => job.picture === other)).toEqual([
      ...[false, false, false, true, true, true],
    ]);
  });

  it('runs one job after another, and goes on after one that fails', async () => {
    const { calls, kept, visit } = desk();
    const queue = await visit();
    await queue.add([wish(1), wish(2), wish(3)]);
    await turn();
    expect(statesOf(queue)).toBe('running,waiting,waiting');
    expect(await calls[0]?.wishes.picture?.text()).toBe('picture');
    expect(calls[0]?.wishes.checkpoints).toBe(id(queue, 0));
    calls[0]?.finish();
    await turn();
    calls[1]?.fail('gpu/memory');
    await turn();
    expect(statesOf(queue)).toBe('done,failed,running');
    expect(queue.jobs[0]).toMatchObject({ resultId: 'result 1', endedEarly: false });
    expect(queue.jobs[1]).toMatchObject({ failure: { code: 'gpu/memory' } });
    calls[2]?.finish(4);
    await queue.settled();
    expect(queue.jobs[2]).toMatchObject({ state: 'done', endedEarly: true });
    expect(kept).toHaveLength(2);
  });

  it('moves jobs, and the order outlives the page', async () => {
    const { visit } = desk();
    const queue = await visit();
    await queue.add([1, 2, 3, 4].map(wish));
    queue.move(id(queue, 3), 1);
    expect(seedsOf(queue)).toEqual([1, 4, 2, 3]);
    queue.move(id(queue, 0), 4);
    expect(seedsOf(queue)).toEqual([4, 2, 3, 1]);
    await turn();
    expect(seedsOf(await visit())).toEqual([4, 2, 3, 1]);
  });

  it('keeps what it had over a refresh, and goes on where it was', async () => {
    const { calls, visit, leave } = desk();
    const before = await visit();
    await before.add([wish(1), wish(2)]);
    await turn();
    const { onEvent } = calls[0]?.handlers ?? {};
    onEvent?.({ type: 'notice', notice: { kind: 'checkpoint', step: 4, steps: 6 } });
    await turn();
    leave();
    const queue = await visit();
    expect(statesOf(queue)).toBe('stopped,waiting');
    expect(queue.jobs[0]?.checkpoint).toEqual({ step: 4, steps: 6 });
    expect([queue.running, queue.crashed]).toEqual([false, undefined]);
    queue.resume(id(queue, 0));
    await turn();
    expect(calls[1]?.wishes).toMatchObject({ checkpoints: id(queue, 0), settings: { seed: 1 } });
    expect(statesOf(queue)).toBe('running,waiting');
  });

  it('tells of a job under which the tab died', async () => {
    const { visit } = desk();
    const before = await visit();
    await before.add([wish(1)]);
    await turn();
    const queue = await visit(); // no pagehide
    expect(queue.crashed?.id).toBe(id(queue, 0));
    queue.dismissCrash();
    expect(queue.crashed).toBeUndefined();
    expect((await visit()).crashed).toBeUndefined(); // told once
  });

  it('ends a job that runs, and forgets its checkpoint', async () => {
    const { calls, forgotten, visit } = desk();
    const queue = await visit();
    await queue.add([wish(1), wish(2)]);
    await turn();
    await queue.cancel(id(queue, 0));
    expect(calls[0]?.handlers.signal?.aborted).toBe(true);
    await turn();
    expect(statesOf(queue)).toBe('cancelled,running');
    expect(forgotten).toEqual([id(queue, 0)]);
    queue.retry(id(queue, 0), { seed: 9 });
    calls[1]?.finish();
    await turn();
    expect(statesOf(queue)).toBe('running,done');
    expect(calls[2]?.wishes.settings).toEqual({ seed: 9 });
    expect(queue.jobs[0]?.failure).toBeUndefined();
  });

  it('loses no video that could not be kept: trying again keeps it', async () => {
    const { calls, full, kept, visit } = desk();
    const queue = await visit();
    await queue.add([wish(1)]);
    await turn();
    full.value = true;
    calls[0]?.finish();
    await turn();
    expect(queue.jobs[0]).toMatchObject({ state: 'failed', failure: { code: 'storage/quota' } });
    full.value = false;
    queue.retry(id(queue, 0));
    await queue.settled();
    expect(queue.jobs[0]).toMatchObject({ state: 'done', resultId: 'result 1' });
    expect([calls.length, kept.length]).toEqual([1, 1]);
  });

  it('stops after the job that runs, and starts again when asked', async () => {
    const { calls, visit } = desk();
    const queue = await visit();
    await queue.add([wish(1), wish(2)]);
    await turn();
    queue.stopAfterThis();
    calls[0]?.finish();
    await turn();
    expect(statesOf(queue)).toBe('done,waiting');
    queue.start();
    await turn();
    expect(statesOf(queue)).toBe('done,running');
  });

  it('asks the run to end early', async () => {
    const { calls, visit } = desk();
    const queue = await visit();
    await queue.add([wish(1)]);
    await turn();
    queue.finishEarly('another');
    expect(calls[0]?.handlers.finishEarly?.aborted).toBe(false);
    queue.finishEarly(id(queue, 0));
    expect(calls[0]?.handlers.finishEarly?.aborted).toBe(true);
  });

  it('forgets a job with its picture', async () => {
    const { blobs, jobs, visit } = desk();
    const queue = await visit();
    await queue.add([wish(1), wish(2)]);
    await turn();
    await queue.remove(id(queue, 0));
    await turn();
    expect(seedsOf(queue)).toEqual([2]);
    expect(await jobs.all()).toHaveLength(1);
    expect(await blobs.all()).toHaveLength(1);
  });

  it('tells progress at once and writes it to no disk', async () => {
    const { calls, jobs, visit } = desk();
    const queue = await visit();
    const heard: string[] = [];
    queue.onEvent((_, { type }) => heard.push(type));
    await queue.add([wish(1)]);
    await turn();
    let changes = 0;
    const end = queue.subscribe(() => changes++);
    const progress = { stage: 'denoise', step: 2, steps: 6, done: 0.4, leftMs: 900 };
    calls[0]?.handlers.onEvent?.({ type: 'progress', progress });
    const { onEvent } = calls[0]?.handlers ?? {};
    onEvent?.({ type: 'heartbeat', stage: 'denoise', elapsedMs: 5, submits: 1 });
    expect(queue.jobs[0]?.progress).toEqual(progress);
    expect([changes, heard]).toEqual([1, ['heartbeat']]);
    end();
    expect((await jobs.all())[0]?.progress).toBeUndefined();
  });
});
