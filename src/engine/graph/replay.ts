/** Replays recordings: encodes, submits in short slices, yields to cancellation, and learns the device's speed. */
import type { Gpu } from '../gpu/device.ts';
import type { Profiler } from './profile.ts';
import type { RecordedDispatch, Recording } from './record.ts';

export type ReplayOptions = {
  readonly signal?: AbortSignal;
  /** Called when the device has finished a slice: share of this recording's estimated work, 0..1. */
  readonly onProgress?: (done: number) => void;
  /** What the work is called in a profile, where runs of several kinds go on at a time; else as the profiler was told. */
  readonly stage?: string;
};

/** What an executor has done since it was made. */
export type ExecutorStats = {
  readonly dispatches: number;
  readonly submits: number;
  /** Time that encoding took on the CPU. */
  readonly encodeMs: number;
  /** Time that handing the work to the device took; a driver may wait in it, so it counts by submit, not by dispatch. */
  readonly submitMs: number;
  /** Bytes for activations of the recording that had most, and the least that any plan needs for it. */
  readonly arenaBytes: number;
  readonly lowerBoundBytes: number;
  /** Largest ratio of the two among all recordings of 64 KiB and more; 1 when there was none. */
  readonly worstFit: number;
};

const SLICE_MS = 50;
const IN_FLIGHT = 2;
/** A dispatch costs at least this much work, in flops, so that many tiny ones still fill a slice. */
const OVERHEAD_FLOPS = 2e6;
/** Flops that take as long as moving one byte, on a typical device. */
const FLOPS_PER_BYTE = 10;
/** Arenas below this are a few padded vectors, of which alignment is a large share. */
const SMALL_ARENA = 2 ** 16;

const workOf = (dispatch: RecordedDispatch): number =>
  OVERHEAD_FLOPS + dispatch.flops + FLOPS_PER_BYTE * dispatch.bytes;

/** Runs recordings on one device, one after another. */
export class Executor {
  readonly #gpu: Gpu;
  /** Takes the times of what runs; without it nothing is measured on the device. */
  profiler: Profiler | undefined;
  /** Work units per millisecond; a low first guess keeps the first slice short on any device. */
  #rate = 1e6;
  /** Work of each dispatch of a recording, and of all. */
  readonly #work = new WeakMap<
    Recording,
    { readonly each: Float64Array; readonly total: number }
  >();
  #stats: ExecutorStats = {
    ...{ dispatches: 0, submits: 0, encodeMs: 0, submitMs: 0 },
    ...{ arenaBytes: 0, lowerBoundBytes: 0, worstFit: 1 },
  };

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Work that the device did in one millisecond lately, in flop equivalents. */
  get rate(): number {
    return this.#rate;
  }

  get submits(): number {
    return this.#stats.submits;
  }

  get stats(): ExecutorStats {
    return this.#stats;
  }

  /**
   * Encodes and submits every dispatch; resolves when all is done on the device.
   * Rejects with `AbortError` at the next slice after `signal` fires, once submitted work has finished.
   */
  async replay(recording: Recording, options: ReplayOptions = {}): Promise<void> {
    const { device } = this.#gpu;
    const { dispatches } = recording;
    const feed = recording.feed?.();
    const { each, total } = this.#workOf(recording);
    const pending: Promise<unknown>[] = [];
    let done = 0;
    let next = 0;
    let lastEnd = performance.now();
    while (next < dispatches.length) {
      if (options.signal?.aborted) break;
      const most = (await feed?.ready(next)) ?? dispatches.length;
      const begin = performance.now();
      const { end, work, submit } = this.#encodeSlice(recording, each, [next, most], options);
      const encoded = performance.now();
      const stamped = submit();
      const submitted = performance.now();
      this.#count(end - next, encoded - begin, submitted - encoded);
      next = end;
      feed?.queued(end);
      const finished = device.queue.onSubmittedWorkDone().then(() => {
        const now = performance.now();
        this.#learn(work, now - Math.max(lastEnd, submitted));
        lastEnd = now;
        done += work;
        options.onProgress?.(Math.min(1, done / total));
        return stamped;
      });
      finished.catch(() => undefined); // a lost device fails all of them: the first that is awaited tells
      pending.push(finished);
      if (pending.length >= IN_FLIGHT) await pending.shift();
    }
    if (next < dispatches.length) await feed?.stop();
    else await feed?.end();
    await Promise.all(pending);
    options.signal?.throwIfAborted();
  }

  #encodeSlice(
    { dispatches }: Recording,
    each: Float64Array,
    [start, limit]: readonly [start: number, limit: number],
    { stage }: ReplayOptions,
  ): { end: number; work: number; submit: () => Promise<void> | undefined } {
    const { device } = this.#gpu;
    const budget = this.#rate * SLICE_MS;
    const most = this.profiler?.maxDispatches ?? Infinity;
    let work = each[start] ?? 0;
    let end = start + 1;
    for (; end < Math.min(limit, dispatches.length) && end - start < most; end++) {
      const more = each[end] ?? 0;
      if (work + more > budget) break;
      work += more;
    }
    const encoder = device.createCommandEncoder();
    if (this.profiler) {
      const slice = dispatches.slice(start, end);
      return { end, work, submit: this.profiler.encode(encoder, slice, stage) };
    }
    const pass = encoder.beginComputePass();
    let bound: GPUComputePipeline | undefined;
    for (let i = start; i < end; i++) {
      const dispatch = dispatches[i];
      if (!dispatch) break;
      const { pipeline, bindGroup, grid } = dispatch;
      if (pipeline !== bound) pass.setPipeline(pipeline);
      bound = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
    pass.end();
    const commands = encoder.finish();
    const submit = (): undefined => device.queue.submit([commands]);
    return { end, work, submit };
  }

  #workOf(recording: Recording): { readonly each: Float64Array; readonly total: number } {
    const known = this.#work.get(recording);
    if (known) return known;
    const each = Float64Array.from(recording.dispatches, workOf);
    const work = { each, total: each.reduce((sum, one) => sum + one, 0) };
    this.#work.set(recording, work);
    const { arenaBytes, lowerBoundBytes } = recording;
    const fit = arenaBytes >= SMALL_ARENA ? arenaBytes / lowerBoundBytes : 1;
    this.#stats = {
      ...this.#stats,
      ...(arenaBytes > this.#stats.arenaBytes && { arenaBytes, lowerBoundBytes }),
      worstFit: Math.max(this.#stats.worstFit, fit),
    };
    return work;
  }

  #count(dispatches: number, encodeMs: number, submitMs: number): void {
    this.#stats = {
      ...this.#stats,
      dispatches: this.#stats.dispatches + dispatches,
      submits: this.#stats.submits + 1,
      encodeMs: this.#stats.encodeMs + encodeMs,
      submitMs: this.#stats.submitMs + submitMs,
    };
  }

  /** Moves the estimate half-way towards what a slice showed; short slices say little and move it less. */
  #learn(work: number, elapsedMs: number): void {
    if (elapsedMs <= 0.05) return;
    const seen = work / elapsedMs;
    const trust = 0.5 * Math.min(1, elapsedMs / SLICE_MS);
    this.#rate += Math.min(trust * (seen - this.#rate), 3 * this.#rate);
  }
}
