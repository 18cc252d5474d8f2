/** Time and memory of a run before it starts: its planned work at this machine's speeds, corrected by past runs. */
import { msOfWork } from '../../engine/index.ts';
import type { ExpectedStage, RunPlan, Speeds } from '../../engine/index.ts';
import type { Estimate, Failure } from '../engine/protocol.ts';
import type { RunRecord } from './run-log.ts';

/** Runs that are looked back at. */
const RECENT = 5;
/** A stage shorter than this says nothing of speed. */
const LEAST_MS = 5;

/** What is alike in runs whose times can be compared. */
export type RunKind = Pick<RunRecord, 'model' | 'adapter' | 'precision'>;

/** By how much each stage of past runs took longer than its work at `speeds`: the median of the latest. */
export function correctionsOf(
  runs: readonly RunRecord[],
  kind: RunKind,
  speeds: Speeds,
): ReadonlyMap<string, number> {
  const alike = runs
    .filter(({ outcome, resumed, losses }) => outcome === 'done' && !resumed && losses === 0)
    .filter(
      ({ model, adapter, precision }) =>
        model === kind.model && adapter === kind.adapter && precision === kind.precision,
    )
    .toSorted((a, b) => b.at - a.at)
    .slice(0, RECENT);
  const seen = new Map<string, number[]>();
  for (const { timings, work } of alike) {
    for (const [stage, planned] of Object.entries(work)) {
      const expected = Math.max(LEAST_MS, msOfWork(planned, speeds));
      seen.set(stage, [...(seen.get(stage) ?? []), (timings[stage] ?? 0) / expected]);
    }
  }
  return new Map([...seen].map(([stage, ratios]) => [stage, medianOf(ratios)]));
}

/** Returns the stages of a plan with the time that each is expected to take. */
export function expectedStages(
  plan: RunPlan,
  speeds: Speeds,
  corrections: ReadonlyMap<string, number> = new Map(),
): ExpectedStage[] {
  return plan.stages.map(({ name, steps, work }) => ({
    ...{ name, steps },
    ms: Math.max(LEAST_MS, msOfWork(work, speeds)) * (corrections.get(name) ?? 1),
  }));
}

/** What bounds a machine's memory, as far as anyone can know. */
export type MemoryBounds = {
  readonly maxBufferBytes: number;
  /** The smallest plan that ran out of memory here. */
  readonly failedBytes: number | undefined;
};

/** Returns the least plan that failed for want of memory on an adapter, larger than all that ran since. */
export function failedBytesOf(runs: readonly RunRecord[], adapter: string): number | undefined {
  const here = runs.filter((run) => run.adapter === adapter);
  const largest = Math.max(
    0,
    ...here.filter(({ outcome }) => outcome === 'done').map(({ plannedBytes }) => plannedBytes),
  );
  const failed = here
    .filter(({ code }) => code === 'gpu/memory')
    .map(({ plannedBytes }) => plannedBytes)
    .filter((bytes) => bytes > largest);
  return failed.length === 0 ? undefined : Math.min(...failed);
}

/** Returns the estimate of a planned run. */
export function estimateOf(
  plan: RunPlan,
  stages: readonly ExpectedStage[] | undefined,
  measured: boolean,
  bounds: MemoryBounds,
): Estimate {
  const reason = reasonAgainst(plan, bounds);
  return {
    seconds: stages && stages.reduce((sum, { ms }) => sum + ms, 0) / 1000,
    peakBytes: plan.peakBytes,
    measured,
    fits: reason === undefined,
    ...(reason && { reason }),
  };
}

function reasonAgainst(
  { peakBytes, largestBuffer }: RunPlan,
  { maxBufferBytes, failedBytes }: MemoryBounds,
): Failure | undefined {
  if (largestBuffer > maxBufferBytes) {
    return {
      code: 'gpu/limit',
      message: `needs a buffer of ${largestBuffer} bytes, this device allows ${maxBufferBytes}`,
      ...{ have: maxBufferBytes, need: largestBuffer },
    };
  }
  if (failedBytes !== undefined && peakBytes >= failedBytes) {
    return {
      code: 'gpu/memory',
      message: `needs ${peakBytes} bytes, a run of ${failedBytes} found no room here`,
      ...{ have: failedBytes, need: peakBytes },
    };
  }
  return undefined;
}

/** Factor above which steps are so slow that memory must be moved about. */
const COLLAPSE = 3;

/** Watches the pace of steps. `expectedMs` is what a step takes on this machine, where that was measured. */
export class PaceWatch {
  #expectedMs: number | undefined;
  #last: { readonly step: number; readonly at: number } | undefined;
  #told = false;

  constructor(expectedMs: number | undefined) {
    this.#expectedMs = expectedMs;
  }

  /** Takes how many steps are done at a moment; returns by how much too slow they are, once, when it is more than three times. */
  take(step: number, at: number): number | undefined {
    const last = this.#last;
    if (!last) {
      this.#last = { step, at };
      return undefined;
    }
    if (step - last.step < 1) return undefined;
    const stepMs = (at - last.at) / (step - last.step);
    this.#last = { step, at };
    // Without a measure of its own the first step is the one that the later ones are held against.
    this.#expectedMs ??= stepMs;
    const factor = stepMs / this.#expectedMs;
    if (this.#told || factor <= COLLAPSE) return undefined;
    this.#told = true;
    return factor;
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 1;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
