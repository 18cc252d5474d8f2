/**
 * Spans as a Chrome trace, which chrome://tracing and Perfetto open.
 * Source: the Trace Event Format, JSON object form: complete events (`X`) and metadata (`M`), times in microseconds.
 */
import type { Span } from '../graph/profile.ts';

export type TraceEvent = {
  readonly ph: 'X' | 'M';
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly args: Readonly<Record<string, string | number>>;
};

export type Trace = {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
};

const PROCESS = 1;
type Place = { readonly pid: number; readonly tid: number };

/** Returns the trace of `spans`; its clock starts with the first of them. Every stage has a thread, so that overlaps show. */
export function chromeTrace(spans: readonly Span[]): Trace {
  const origin = spans.reduce((least, { beginMs }) => Math.min(least, beginMs), Infinity);
  const at = (ms: number): number => Math.max(0, (ms - origin) * 1000);
  const stages = [...new Set(spans.map(({ stage }) => stage))];
  const threads = [...stages.map((stage) => `stage ${stage}`), 'commands', 'device'];
  const place = (thread: string): Place => ({ pid: PROCESS, tid: threads.indexOf(thread) + 1 });
  const event = (name: string, cat: string, thread: string, times: Times): TraceEvent => ({
    ...{ ph: 'X', name, cat, ...place(thread) },
    ...{ ts: at(times.beginMs), dur: at(times.endMs) - at(times.beginMs), args: {} },
  });
  const host = spans.filter(({ track }) => track === 'host');
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      meta('process_name', { pid: PROCESS, tid: 0 }, 'Zoetrope'),
      ...threads.map((name) => meta('thread_name', place(name), name)),
      ...host.map((span) => event(span.kernel, 'host', `stage ${span.stage}`, span)),
      ...runsOf(spans).map((run) => event(run.stage, 'stage', `stage ${run.stage}`, run)),
      ...spans.flatMap((span) => {
        if (span.track === 'host') return [];
        const { label, flops, bytes } = span;
        const thread = span.track === 'encode' ? 'commands' : 'device';
        return [{ ...event(span.kernel, span.stage, thread, span), args: { label, flops, bytes } }];
      }),
    ],
  };
}

const meta = (name: string, place: Place, value: string): TraceEvent => ({
  ...{ ph: 'M', name, ...place },
  args: { name: value },
});

type Times = Pick<Span, 'beginMs' | 'endMs'>;

/** The times in which the device worked for one stage and no other. */
function runsOf(spans: readonly Span[]): readonly (Times & { readonly stage: string })[] {
  const runs: { stage: string; beginMs: number; endMs: number }[] = [];
  const device = spans.filter(({ track }) => track === 'device');
  for (const { stage, beginMs, endMs } of device.toSorted((a, b) => a.beginMs - b.beginMs)) {
    const last = runs.at(-1);
    if (last?.stage === stage) last.endMs = Math.max(last.endMs, endMs);
    else runs.push({ stage, beginMs, endMs });
  }
  return runs;
}
