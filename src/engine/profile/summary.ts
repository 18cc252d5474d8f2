/** Adds spans up: by stage, and by kernel. */
import type { Span } from '../graph/profile.ts';

export type StageRow = {
  readonly stage: string;
  readonly dispatches: number;
  /** Time in which the device worked. */
  readonly busyMs: number;
  /** From the first dispatch, or work of the host, to the end of the last. */
  readonly spanMs: number;
  /** Time that encoding took on the CPU. */
  readonly encodeMs: number;
};

export type KernelRow = {
  readonly stage: string;
  readonly kernel: string;
  readonly calls: number;
  readonly ms: number;
  /** Share of the device's time in all stages, 0 … 1. */
  readonly share: number;
  /** Work per second as the kernel counts it; 0 where the device's clock was too coarse to tell. */
  readonly gflops: number;
  readonly gigabytes: number;
};

/** Returns a row for each stage, in the order in which they ran. */
export function byStage(spans: readonly Span[]): StageRow[] {
  return groupsOf(spans, ({ stage }) => stage).map(([stage, group]) => {
    const device = group.filter(({ track }) => track === 'device');
    const encode = group.filter(({ track }) => track === 'encode');
    const worked = group.filter(({ track }) => track !== 'encode');
    const begin = worked.reduce((least, { beginMs }) => Math.min(least, beginMs), Infinity);
    const end = worked.reduce((most, { endMs }) => Math.max(most, endMs), -Infinity);
    return {
      stage,
      dispatches: device.length,
      busyMs: totalOf(device),
      spanMs: worked.length > 0 ? end - begin : 0,
      encodeMs: totalOf(encode),
    };
  });
}

/** Returns a row for each kernel of each stage, the one that took longest first. */
export function byKernel(spans: readonly Span[]): KernelRow[] {
  const device = spans.filter(({ track }) => track === 'device');
  const whole = totalOf(device);
  return groupsOf(device, ({ stage, kernel }) => `${stage}\n${kernel}`)
    .map(([key, group]): KernelRow => {
      const [stage = '', kernel = ''] = key.split('\n');
      const ms = totalOf(group);
      const perSecond = (work: number): number => (ms > 0 ? work / ms / 1e6 : 0);
      return {
        ...{ stage, kernel, calls: group.length, ms, share: whole > 0 ? ms / whole : 0 },
        gflops: perSecond(group.reduce((sum, { flops }) => sum + flops, 0)),
        gigabytes: perSecond(group.reduce((sum, { bytes }) => sum + bytes, 0)),
      };
    })
    .toSorted((a, b) => b.ms - a.ms);
}

const totalOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, { beginMs, endMs }) => sum + endMs - beginMs, 0);

function groupsOf(spans: readonly Span[], keyOf: (span: Span) => string): [string, Span[]][] {
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    const key = keyOf(span);
    const group = groups.get(key);
    if (group) group.push(span);
    else groups.set(key, [span]);
  }
  return [...groups];
}
