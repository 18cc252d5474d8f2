import { describe, expect, it } from 'vitest';
import { NO_WORK } from '../../src/engine/graph/work.ts';
import type { Work } from '../../src/engine/graph/work.ts';
import type { Speeds } from '../../src/engine/probe.ts';
import { Progress } from '../../src/engine/progress.ts';
import type { ProgressEvent } from '../../src/engine/progress.ts';
import type { RunPlan } from '../../src/engine/run.ts';
import {
  correctionsOf,
  estimateOf,
  expectedStages,
  failedBytesOf,
  PaceWatch,
} from '../../src/app/jobs/estimate.ts';
import type { RunRecord } from '../../src/app/jobs/run-log.ts';
import { openRunLog } from '../../src/app/jobs/run-log.ts';
import { memoryStore } from '../../src/app/jobs/database.ts';

const SPEEDS: Speeds = {
  ...{ msPerFlop: 1e-9, msPerAttentionFlop: 2e-9, msPerByte: 1e-8, msPerDispatch: 0.01 },
  ...{ msPerPipeline: 20, msPerLoadByte: 1e-6, msPerPixel: 1e-5 },
};

const flops = (count: number): Work => ({ ...NO_WORK, flops: count });

/** 1 s of preparing, 40 s of 20 steps, 9 s of 45 frames, at `SPEEDS`. */
const PLAN: RunPlan = {
  stages: [
    { name: 'prepare', steps: 1, work: { ...NO_WORK, pipelines: 50 } },
    { name: 'denoise', steps: 20, work: flops(4e13) },
    { name: 'render', steps: 45, work: flops(9e12) },
  ],
  peakBytes: 3e9,
  largestBuffer: 1e9,
};

const record = (change: Partial<RunRecord> = {}): RunRecord => ({
  ...{ id: String(Math.random()), at: 0, model: 'm', family: 'f', preset: 'standard' },
  ...{ width: 8, height: 8, frames: 45, steps: 20, adapter: 'card', precision: 'f16' },
  ...{ outcome: 'done', totalMs: 50_000, plannedBytes: 3e9, peakBytes: 2.8e9 },
  ...{ resumed: false, losses: 0, timings: { prepare: 2000, denoise: 60_000, render: 9000 } },
  work: Object.fromEntries(PLAN.stages.map(({ name, work }) => [name, work])),
  ...change,
});

const KIND = { model: 'm', adapter: 'card', precision: 'f16' };
const BOUNDS = { maxBufferBytes: 2e9, failedBytes: undefined };

describe('an estimate', () => {
  it('is the planned work at the speeds of the machine, before any run', () => {
    const stages = expectedStages(PLAN, SPEEDS);
    expect(stages.map(({ ms }) => Math.round(ms))).toEqual([1000, 40_000, 9000]);
    expect(estimateOf(PLAN, stages, false, BOUNDS)).toEqual({
      ...{ seconds: 50, peakBytes: 3e9, measured: false, fits: true },
    });
  });

  it('learns from past runs, stage by stage, and takes the median of the latest', () => {
    const slow = record({ at: 3, timings: { prepare: 2000, denoise: 400_000, render: 9000 } });
    const runs = [record({ at: 1 }), slow, record({ at: 2 })];
    const corrections = correctionsOf(runs, KIND, SPEEDS);
    expect(corrections.get('denoise')).toBeCloseTo(1.5, 6);
    const stages = expectedStages(PLAN, SPEEDS, corrections);
    expect(stages.map(({ ms }) => Math.round(ms))).toEqual([2000, 60_000, 9000]);
  });

  it('carries what was learned over to another size', () => {
    const corrections = correctionsOf([record()], KIND, SPEEDS);
    const [, denoise] = PLAN.stages;
    const larger = { ...PLAN, stages: [{ name: 'denoise', steps: 20, work: flops(8e13) }] };
    expect(denoise?.name).toBe('denoise');
    expect(expectedStages(larger, SPEEDS, corrections)[0]?.ms).toBeCloseTo(120_000, 3);
  });

  it.each([
    ['another model', { model: 'other' }],
    ['another card', { adapter: 'other' }],
    ['another precision', { precision: 'f32' }],
    ['a run that was cancelled', { outcome: 'cancelled' }],
    ['a run that went on from a checkpoint', { resumed: true }],
    ['a run that lost its device', { losses: 1 }],
  ] as const)('does not learn from %s', (_, change) => {
    expect(correctionsOf([record(change)], KIND, SPEEDS).size).toBe(0);
  });

  it('says why a run does not fit', () => {
    const stages = expectedStages(PLAN, SPEEDS);
    const small = estimateOf(PLAN, stages, false, { ...BOUNDS, maxBufferBytes: 5e8 });
    expect(small).toMatchObject({ fits: false, reason: { code: 'gpu/limit', have: 5e8 } });
    const full = estimateOf(PLAN, stages, false, { ...BOUNDS, failedBytes: 2.5e9 });
    expect(full).toMatchObject({ fits: false, reason: { code: 'gpu/memory', need: 3e9 } });
  });

  it('takes a plan that failed for a bound until a larger one runs', () => {
    const failed = record({ outcome: 'failed', code: 'gpu/memory', plannedBytes: 4e9 });
    expect(failedBytesOf([failed, record()], 'card')).toBe(4e9);
    expect(failedBytesOf([failed, record({ plannedBytes: 5e9 })], 'card')).toBeUndefined();
    expect(failedBytesOf([failed], 'other card')).toBeUndefined();
  });
});

describe('a pace', () => {
  it('is told of once, when steps take more than three times what they should', () => {
    const pace = new PaceWatch(100);
    const seen = [0, 100, 250, 600, 1000].map((at, step) => pace.take(step, at));
    expect(seen).toEqual([undefined, undefined, undefined, 3.5, undefined]);
  });

  it('is held against the first step where nothing else is known', () => {
    const pace = new PaceWatch(undefined);
    expect([0, 100, 200, 900].map((at, step) => pace.take(step, at)).at(-1)).toBe(7);
  });
});

/** A run on a clock: what each stage really takes, beside what was expected; returns errors of the time left at shares of the run. */
function errorsOf(
  real: readonly (readonly [name: string, steps: number, ms: number])[],
  expected: readonly number[],
): ReadonlyMap<number, number> {
  let clock = 0;
  const events: (ProgressEvent & { at: number })[] = [];
  const plan = real.map(([name, steps], i) => ({
    ...{ name, steps },
    cost: (expected[i] ?? 0) / steps,
  }));
  const options = { now: () => clock, trust: 0.1 };
  const progress = new Progress(plan, (event) => events.push({ ...event, at: clock }), options);
  for (const [name, steps, ms] of real) {
    progress.advance(name, 0);
    // Slices of a step report too; steps differ by a tenth.
    for (let i = 1; i <= 4 * steps; i++) {
      clock += (ms / steps / 4) * (1 + 0.1 * Math.sin(i));
      progress.advance(name, i / (4 * steps));
    }
  }
  const total = clock;
  return new Map(
    [0.25, 0.5, 0.75].map((share) => {
      const event = events.find(({ at }) => at >= share * total);
      const left = total - (event?.at ?? 0);
      return [share, Math.abs((event?.leftMs ?? Infinity) - left) / left];
    }),
  );
}

describe('the time left', () => {
  const real = [
    ['prepare', 1, 1500],
    ['denoise', 20, 40_000],
    ['render', 45, 9000],
  ] as const;

  it.each([
    ['as expected', [1500, 40_000, 9000]],
    ['on a machine twice as slow as its probe', [750, 20_000, 4500]],
    ['on a machine twice as fast', [3000, 80_000, 18_000]],
    ['with compiling underrated five times', [300, 40_000, 9000]],
    ['with a decoder underrated by a fifth', [1500, 40_000, 7200]],
    ['with steps underrated by a quarter', [1500, 30_000, 9000]],
  ] as const)('is right within the bars %s', (_, expected) => {
    const errors = errorsOf(real, expected);
    expect(errors.get(0.25)).toBeLessThanOrEqual(0.15);
    expect(errors.get(0.5)).toBeLessThanOrEqual(0.1);
    expect(errors.get(0.75)).toBeLessThanOrEqual(0.25);
  });

  it('counts no step that an earlier run made', () => {
    let clock = 0;
    const events: ProgressEvent[] = [];
    const plan = [
      { name: 'text', steps: 1, cost: 5000 },
      { name: 'denoise', steps: 10, cost: 1000 },
      { name: 'decode', steps: 4, cost: 500 },
    ];
    const options = { now: () => clock, trust: 0.1 };
    const progress = new Progress(plan, (event) => events.push(event), options);
    progress.skip('text', 1);
    progress.skip('denoise', 0.8);
    progress.advance('denoise', 0.8);
    clock = 1000;
    progress.advance('denoise', 0.9);
    expect(events.at(-1)?.leftMs).toBeCloseTo(3000, -2); // a step, and two seconds of frames
  });
});

describe('the log of runs', () => {
  it('lists the latest first, as lines of a table too', async () => {
    const log = openRunLog(memoryStore<RunRecord>());
    await log.add(record({ at: 1000, model: '=a, "model"' }));
    await log.add(record({ at: 2000, outcome: 'failed', code: 'gpu/lost', stage: 'denoise' }));
    expect((await log.list()).map(({ at }) => at)).toEqual([2000, 1000]);
    const [header, first, second] = (await log.asCsv()).split('\r\n');
    expect(header).toContain('time,model,preset');
    expect(first).toMatch(/^1970-01-01T00:00:02\.000Z,m,standard.*failed,gpu\/lost,denoise/);
    expect(second).toContain(`"'=a, ""model"""`); // no formula, no broken cell
    await log.clear();
    expect(await log.list()).toEqual([]);
  });

  it('keeps the latest 500', async () => {
    const store = memoryStore<RunRecord>();
    for (let at = 0; at < 500; at++) await store.put(String(at), record({ id: String(at), at }));
    const log = openRunLog(store);
    await log.add(record({ id: 'new', at: 1000 }));
    const kept = await log.list();
    expect([kept.length, kept.at(-1)?.at]).toEqual([500, 1]);
  });
});
