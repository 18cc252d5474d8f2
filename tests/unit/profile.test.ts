import { describe, expect, it } from 'vitest';
import type { Span } from '../../src/engine/graph/profile.ts';
import { byKernel, byStage } from '../../src/engine/profile/summary.ts';
import { chromeTrace } from '../../src/engine/profile/trace.ts';

const span = (
  stage: string,
  kernel: string,
  beginMs: number,
  endMs: number,
  track: Span['track'] = 'device',
): Span => ({
  ...{ track, stage, kernel, label: `block/${kernel}`, beginMs, endMs },
  ...{ flops: 4e6, bytes: 1e6 },
});

const spans = [
  span('encode', 'slice', 99, 100, 'encode'),
  span('encode', 'matmul', 100, 102),
  span('encode', 'norm', 103, 104),
  span('denoise', 'slice', 104, 104.5, 'encode'),
  span('denoise', 'matmul', 105, 109),
  span('denoise', 'matmul', 109, 111),
  span('denoise', 'norm', 111, 111),
];

describe('a profile', () => {
  it('adds up by stage, in their order', () => {
    expect(byStage(spans)).toEqual([
      { stage: 'encode', dispatches: 2, busyMs: 3, spanMs: 4, encodeMs: 1 },
      { stage: 'denoise', dispatches: 3, busyMs: 6, spanMs: 6, encodeMs: 0.5 },
    ]);
    expect(byStage([])).toEqual([]);
  });

  it('adds up by kernel, the longest first', () => {
    const rows = byKernel(spans);
    expect(rows.map(({ stage, kernel, calls, ms }) => [stage, kernel, calls, ms])).toEqual([
      ['denoise', 'matmul', 2, 6],
      ['encode', 'matmul', 1, 2],
      ['encode', 'norm', 1, 1],
      ['denoise', 'norm', 1, 0],
    ]);
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(rows[0]).toMatchObject({ gflops: 8e6 / 6 / 1e6, gigabytes: 2e6 / 6 / 1e6 });
    expect(rows[3]).toMatchObject({ gflops: 0, gigabytes: 0 });
  });

  it('becomes a Chrome trace: complete events in microseconds from the first span on', () => {
    const trace = chromeTrace(spans);
    expect(JSON.parse(JSON.stringify(trace))).toEqual(trace);
    const complete = trace.traceEvents.filter(({ ph }) => ph === 'X');
    for (const { ts = NaN, dur = NaN, name } of complete) {
      expect(ts).toBeGreaterThanOrEqual(0);
      expect(dur).toBeGreaterThanOrEqual(0);
      expect(name).not.toBe('');
    }
    const named = trace.traceEvents.filter(({ name }) => name === 'thread_name');
    expect(named.map(({ args }) => args['name'])).toEqual([
      ...['stage encode', 'stage denoise', 'commands', 'device'],
    ]);
    const threads = new Set(named.map(({ tid }) => tid));
    expect(complete.every(({ tid, pid }) => threads.has(tid) && pid === 1)).toBe(true);
    const norm = complete.find(({ name, cat }) => name === 'norm' && cat === 'encode');
    expect(norm).toMatchObject({ ts: 4000, dur: 1000, args: { label: 'block/norm' } });
    const stages = complete.filter(({ cat }) => cat === 'stage');
    expect(stages.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['encode', 1000, 4000],
      ['denoise', 6000, 6000],
    ]);
  });

  it('shows stages that take turns on the device, and what the host does, each in a thread of its own', () => {
    const { traceEvents } = chromeTrace([
      span('denoise', 'matmul', 0, 10),
      span('decode', 'conv', 10, 15),
      span('denoise', 'matmul', 15, 20),
      span('write', 'frame', 12, 18, 'host'),
    ]);
    const threads = traceEvents.filter(({ name }) => name === 'thread_name');
    const tid = (name: string) => threads.find(({ args }) => args['name'] === name)?.tid;
    const bars = traceEvents.filter(({ cat }) => cat === 'stage' || cat === 'host');
    expect(bars.map(({ name, tid, ts, dur }) => [name, tid, ts, dur])).toEqual([
      ['frame', tid('stage write'), 12_000, 6000],
      ['denoise', tid('stage denoise'), 0, 10_000],
      ['decode', tid('stage decode'), 10_000, 5000],
      ['denoise', tid('stage denoise'), 15_000, 5000],
    ]);
    const rows = byStage([span('write', 'frame', 12, 18, 'host')]);
    expect(rows).toEqual([{ stage: 'write', dispatches: 0, busyMs: 0, spanMs: 6, encodeMs: 0 }]);
  });
});
