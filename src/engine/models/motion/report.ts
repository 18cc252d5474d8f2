/** What a run of the built-in model tells about itself: while it goes on, and at its end. */
import type { BufferMeter } from '../../gpu/memory.ts';
import type { Recording } from '../../graph/record.ts';
import type { Executor, ExecutorStats } from '../../graph/replay.ts';
import type { Size } from '../../image/fit.ts';

export type MotionStage = 'prepare' | 'encode' | 'denoise' | 'render';

export type MotionProgress = {
  readonly stage: MotionStage;
  /** Steps or frames done in this stage, parts of a step included, and how many there are. */
  readonly done: number;
  readonly total: number;
};

/** A finished frame, in order. */
export type MotionFrame = {
  readonly index: number;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  /** RGBA, row-major from the top, opaque. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

export type MotionReport = {
  readonly elapsedMs: Readonly<Record<MotionStage, number>>;
  readonly size: Size;
  /** Rows and columns of the motion field. */
  readonly grid: readonly [h: number, w: number];
  readonly steps: number;
  readonly frames: number;
  readonly dispatches: number;
  readonly submits: number;
  /** Time that encoding took on the CPU, and handing the work to the device. */
  readonly encodeMs: number;
  readonly submitMs: number;
  /** Bytes in buffers of the device at the fullest moment, weights included. */
  readonly peakBytes: number;
  /** Work of the whole run as the kernels count it. */
  readonly flops: number;
};

type Totals = Pick<MotionReport, 'size' | 'grid' | 'steps' | 'frames'>;

/** Gathers the report of a run while it goes on. */
export class RunMeter {
  readonly #executor: Executor;
  readonly #buffers: BufferMeter;
  readonly #elapsedMs: Record<MotionStage, number> = {
    prepare: 0,
    encode: 0,
    denoise: 0,
    render: 0,
  };
  readonly #before: ExecutorStats;
  #stage: MotionStage = 'prepare';
  #since = performance.now();
  #total = 1;
  #dispatches = 0;
  #flops = 0;

  constructor(executor: Executor, buffers: BufferMeter) {
    this.#executor = executor;
    this.#buffers = buffers;
    this.#before = executor.stats;
  }

  /** Begins a stage of `total` steps; time counts towards it from now on. */
  enter(stage: MotionStage, listener: ProgressListener, total = 1): void {
    this.#lap();
    this.#stage = stage;
    this.#total = total;
    this.advance(0, listener);
  }

  advance(done: number, { onProgress }: ProgressListener): void {
    onProgress?.({ stage: this.#stage, done, total: this.#total });
  }

  /** Counts one run of a recording. */
  count({ dispatches }: Recording): void {
    this.#dispatches += dispatches.length;
    this.#flops += dispatches.reduce((sum, { flops }) => sum + flops, 0);
  }

  report(totals: Totals): MotionReport {
    this.#lap();
    return {
      ...totals,
      elapsedMs: this.#elapsedMs,
      dispatches: this.#dispatches,
      submits: this.#executor.stats.submits - this.#before.submits,
      encodeMs: this.#executor.stats.encodeMs - this.#before.encodeMs,
      submitMs: this.#executor.stats.submitMs - this.#before.submitMs,
      peakBytes: this.#buffers.peakBytes,
      flops: this.#flops,
    };
  }

  #lap(): void {
    const now = performance.now();
    this.#elapsedMs[this.#stage] += now - this.#since;
    this.#since = now;
  }
}

type ProgressListener = { readonly onProgress?: (progress: MotionProgress) => void };
