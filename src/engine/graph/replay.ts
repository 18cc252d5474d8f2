/** Replays recordings: encodes, submits in short slices, yields to cancellation, and learns the device's speed. */
import type { Gpu } from '../gpu/device.ts';
import type { RecordedDispatch, Recording } from './record.ts';

export type ReplayOptions = {
  readonly signal?: AbortSignal;
  /** Called when the device has finished a slice: share of this recording's estimated work, 0..1. */
  readonly onProgress?: (done: number) => void;
};

const SLICE_MS = 50;
const IN_FLIGHT = 2;
/** A dispatch costs at least this much work, in flops, so that many tiny ones still fill a slice. */
const OVERHEAD_FLOPS = 2e6;
/** Flops that take as long as moving one byte, on a typical device. */
const FLOPS_PER_BYTE = 10;

const workOf = (dispatch: RecordedDispatch): number =>
  OVERHEAD_FLOPS + dispatch.flops + FLOPS_PER_BYTE * dispatch.bytes;

/** Runs recordings on one device, one after another. */
export class Executor {
  readonly #gpu: Gpu;
  /** Work units per millisecond; a low first guess keeps the first slice short on any device. */
  #rate = 1e6;
  submits = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Work that the device did in one millisecond lately, in flop equivalents. */
  get rate(): number {
    return this.#rate;
  }

  /**
   * Encodes and submits every dispatch; resolves when all is done on the device.
   * Rejects with `AbortError` at the next slice after `signal` fires, once submitted work has finished.
   */
  async replay(recording: Recording, options: ReplayOptions = {}): Promise<void> {
    const { device } = this.#gpu;
    const { dispatches } = recording;
    const total = dispatches.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
    const pending: Promise<void>[] = [];
    let done = 0;
    let next = 0;
    let lastEnd = performance.now();
    while (next < dispatches.length) {
      if (options.signal?.aborted) break;
      const { end, work } = this.#encodeSlice(dispatches, next);
      next = end;
      const submitted = performance.now();
      pending.push(
        device.queue.onSubmittedWorkDone().then(() => {
          const now = performance.now();
          this.#learn(work, now - Math.max(lastEnd, submitted));
          lastEnd = now;
          done += work;
          options.onProgress?.(Math.min(1, done / total));
        }),
      );
      if (pending.length >= IN_FLIGHT) await pending.shift();
    }
    await Promise.all(pending);
    options.signal?.throwIfAborted();
  }

  #encodeSlice(
    dispatches: readonly RecordedDispatch[],
    start: number,
  ): { end: number; work: number } {
    const { device } = this.#gpu;
    const budget = this.#rate * SLICE_MS;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    let end = start;
    let work = 0;
    for (; end < dispatches.length; end++) {
      const dispatch = dispatches[end];
      if (!dispatch) break;
      const more = workOf(dispatch);
      if (end > start && work + more > budget) break;
      work += more;
      pass.setPipeline(dispatch.pipeline);
      pass.setBindGroup(0, dispatch.bindGroup);
      pass.dispatchWorkgroups(...dispatch.grid);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
    this.submits++;
    return { end, work };
  }

  /** Moves the estimate half-way towards what a slice showed; short slices say little and move it less. */
  #learn(work: number, elapsedMs: number): void {
    if (elapsedMs <= 0.05) return;
    const seen = work / elapsedMs;
    const trust = 0.5 * Math.min(1, elapsedMs / SLICE_MS);
    this.#rate += Math.min(trust * (seen - this.#rate), 3 * this.#rate);
  }
}
