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
/** Threads of the trace, top to bottom: stages above what runs in them. */
const THREADS = ['stages', 'encode', 'device'] as const;

const threadOf = (name: (typeof THREADS)[number]): { pid: number; tid: number } => ({
  pid: PROCESS,
  tid: THREADS.indexOf(name) + 1,
});

/** Returns the trace of `spans`; its clock starts with the first of them. */
export function chromeTrace(spans: readonly Span[]): Trace {
  const origin = spans.reduce((least, { beginMs }) => Math.min(least, beginMs), Infinity);
  const at = (ms: number): number => Math.max(0, (ms - origin) * 1000);
  const events = spans.map((span): TraceEvent => ({
    ...{ ph: 'X', name: span.kernel, cat: span.stage, ...threadOf(span.track) },
    ts: at(span.beginMs),
    dur: at(span.endMs) - at(span.beginMs),
    args: { label: span.label, flops: span.flops, bytes: span.bytes },
  }));
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      meta('process_name', { pid: PROCESS, tid: 0 }, 'Zoetrope'),
      ...THREADS.map((name) => meta('thread_name', threadOf(name), name)),
      ...stageEvents(spans, at),
      ...events,
    ],
  };
}

const meta = (name: string, place: { pid: number; tid: number }, value: string): TraceEvent => ({
  ...{ ph: 'M', name, ...place },
  args: { name: value },
});

/** One event for each run of spans that belong to one stage. */
function stageEvents(spans: readonly Span[], at: (ms: number) => number): TraceEvent[] {
  const runs: { stage: string; begin: number; end: number }[] = [];
  for (const { track, stage, beginMs, endMs } of spans) {
    if (track !== 'device') continue;
    const last = runs.at(-1);
    if (last?.stage === stage) last.end = Math.max(last.end, endMs);
    else runs.push({ stage, begin: beginMs, end: endMs });
  }
  return runs.map(({ stage, begin, end }) => ({
    ...{ ph: 'X', name: stage, cat: 'stage', ...threadOf('stages') },
    ...{ ts: at(begin), dur: at(end) - at(begin), args: {} },
  }));
}
