import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AutomationJob, AutomationResult, Noted } from '../../src/app/automation.ts';
import { openEnginePage } from './engine-page.ts';
import type { EnginePage } from './engine-page.ts';

/** Long enough that something can be done to each stage, short enough for a test. */
const SETTINGS = { size: { width: 96, height: 64 }, frames: 12, steps: 10, motion: 1, seed: 7 };

let app: EnginePage;
let job: AutomationJob;
let undisturbed: readonly string[];
let noticed: readonly Noted[];

beforeAll(async () => {
  app = await openEnginePage();
  job = { model: app.model, settings: SETTINGS, checkpointMs: 0 };
  undisturbed = framesOf(await app.run(job));
  noticed = await app.notices();
});

afterAll(() => app?.close());

/** What was told of a kind. */
const told = (all: readonly Noted[], kind: string): Noted[] =>
  all.filter(({ notice }) => notice.kind === kind);

const framesOf = (result: AutomationResult): readonly string[] => {
  if (!result.ok) throw new Error(result.failure.message);
  return result.report.frameHashes;
};

describe('a GPU process that crashes', () => {
  // Browsers bring a GPU process back ever more slowly: each case has one of its own.
  beforeEach(async () => {
    await app.close();
    app = await openEnginePage();
    job = { ...job, model: app.model };
  });

  it('while nothing runs is not noticed by the next run', async () => {
    expect(await app.page.evaluate(() => zoetrope.inspect())).toMatchObject({ software: true });
    await app.crashGpu();
    expect(framesOf(await app.run(job))).toEqual(undisturbed);
  });

  it.each([
    ['preparing', 'prepare', 0],
    ['a step', 'denoise', 5],
    ['the frames', 'render', 6],
  ])(
    'during %s is told within a second, and the run goes on, bit for bit',
    async (_, stage, step) => {
      const running = app.run(job);
      await app.reaches(stage, step);
      const crashed = await app.page.evaluate(() => performance.now());
      await app.crashGpu();
      await app.page.waitForFunction(
        () => zoetrope.notices().some(({ notice }) => notice.kind === 'device-lost'),
        { polling: 20, timeout: 5000 },
      );
      const seen = await app.page.evaluate(() => performance.now());
      expect(seen - crashed).toBeLessThan(1000);
      expect(framesOf(await running)).toEqual(undisturbed);
      const [resumed] = told(await app.notices(), 'resumed');
      const { notice } = resumed ?? {};
      if (stage === 'prepare') expect(notice).toBeUndefined();
      else if (notice?.kind === 'resumed') expect(notice.step).toBeGreaterThanOrEqual(step - 1);
      else throw new Error('the run began anew');
      if (stage === 'render') expect(notice).toMatchObject({ step: 10, steps: 10 });
    },
  );

  it('for the third time within five minutes ends the run, and offers a smaller preset', async () => {
    const running = app.run({ ...job, settings: { ...SETTINGS, preset: 'standard' } });
    for (const resumed of [1, 2]) {
      await app.reaches('denoise', 2);
      await app.crashGpu();
      await app.page.waitForFunction(
        (count) =>
          zoetrope.notices().filter(({ notice }) => notice.kind === 'resumed').length === count,
        { polling: 20, timeout: 60_000 },
        resumed,
      );
    }
    await app.reaches('denoise', 3);
    await app.crashGpu();
    expect(await running).toMatchObject({
      ok: false,
      failure: { code: 'gpu/lost-again', stage: 'denoise', smaller: 'preview' },
    });
  });
});

describe('a run', () => {
  beforeAll(() => app.reopen());

  it('gives a sign of life every two seconds, and a preview after each step', () => {
    const all = noticed;
    const beats = told(all, 'heartbeat').map(({ atMs }) => atMs);
    const gaps = beats.slice(1).map((at, i) => at - (beats[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2000);
    expect(told(all, 'preview')).toHaveLength(10);
  });

  it('that is finished early has all its frames, of fewer steps', async () => {
    const running = app.run(job);
    await app.reaches('denoise', 3);
    await app.page.evaluate(() => zoetrope.finishEarly());
    const result = await running;
    expect(framesOf(result)).toHaveLength(12);
    expect(framesOf(result)).not.toEqual(undisturbed);
    if (result.ok) expect(result.report.model.stepsDone).toBeLessThan(10);
  });

  it('ends within a second of its cancel, with the device idle and its buffers freed', async () => {
    const { liveBytes } = await app.page.evaluate(() => zoetrope.memory());
    for (const [stage, step] of [
      ['prepare', 0],
      ['denoise', 3],
      ['render', 3],
    ] as const) {
      const running = app.run({ ...job, checkpoints: 'cancelled' });
      await app.reaches(stage, step);
      const cancelled = await app.page.evaluate(() => {
        zoetrope.cancel();
        return performance.now();
      });
      expect(await running).toMatchObject({ ok: false, failure: { code: 'cancelled' } });
      const ended = await app.page.evaluate(() => performance.now());
      expect(ended - cancelled, stage).toBeLessThan(1000);
      const after = await app.page.evaluate(() => zoetrope.memory());
      expect(after.liveBytes, stage).toBeLessThanOrEqual(liveBytes);
    }
  });

  it('goes on after a refresh of the page, bit for bit', async () => {
    const kept = { ...job, checkpoints: 'refreshed' };
    void app.run(kept); // it goes down with the page
    await app.reaches('denoise', 6);
    const saved = told(await app.notices(), 'checkpoint').length;
    await app.reopen();
    expect(framesOf(await app.run(kept))).toEqual(undisturbed);
    const [resumed] = told(await app.notices(), 'resumed');
    expect(resumed?.notice).toMatchObject({ kind: 'resumed', steps: 10 });
    if (resumed?.notice.kind === 'resumed') {
      expect(resumed.notice.step).toBeGreaterThanOrEqual(saved); // none that was kept is lost
    }
    const folders = await app.page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const names: string[] = [];
      for await (const name of (await root.getDirectoryHandle('checkpoints')).keys())
        names.push(name);
      return names;
    });
    expect(folders).not.toContain('refreshed'); // the video is made: its checkpoint is gone
  });

  it('does not go on from a checkpoint of other settings', async () => {
    const other = { ...SETTINGS, seed: 8, frames: 4, steps: 5 };
    const changed = await app.run({ ...job, checkpoints: 'cancelled', settings: other });
    expect(framesOf(changed)).toHaveLength(4);
    expect(told(await app.notices(), 'resumed')).toEqual([]);
  });

  it('leaves nothing behind: ten in a row take no more memory than one', async () => {
    const worker = app.page.workers().find((each) => each.url().includes('worker'));
    const small = { ...job, settings: { ...SETTINGS, frames: 4, steps: 2 } };
    const heapBytes = async (): Promise<number> => {
      await worker?.client.send('HeapProfiler.collectGarbage');
      const usage = await worker?.client.send('Runtime.getHeapUsage');
      return usage?.usedSize ?? NaN;
    };
    const live: number[] = [];
    const heap: number[] = [];
    for (let i = -4; i < 10; i++) {
      await app.run(small);
      if (i < 0) continue; // functions are compiled better at first, which takes memory once
      live.push((await app.page.evaluate(() => zoetrope.memory())).liveBytes);
      heap.push(await heapBytes());
    }
    expect(new Set(live).size, live.join()).toBe(1);
    // Collecting leaves now more, now less: the middle of the last three against that of the first.
    const middle = (three: readonly number[]): number => three.toSorted((a, b) => a - b)[1] ?? NaN;
    expect(middle(heap.slice(-3)), heap.join()).toBeLessThanOrEqual(
      1.05 * middle(heap.slice(0, 3)),
    );
  });

  it('of damaged weights is refused in words', async () => {
    const folder = app.model.folder.replace('tiny', 'none');
    expect(await app.run({ ...job, model: { folder } })).toMatchObject({
      ok: false,
      failure: { code: 'model/config' },
    });
  });

  it('complained of nothing but the devices that were taken away', () => {
    const own = app.complaints.filter((text) => !/404|Instance dropped|GPU process/i.test(text));
    expect(own).toEqual([]);
  });
});
