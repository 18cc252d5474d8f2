/** What a run of the built-in model tells about itself: while it goes on, and at its end. */
import type { Size } from '../../image/fit.ts';

export type MotionStage = 'prepare' | 'encode' | 'denoise' | 'render';

export type MotionProgress = {
  readonly stage: MotionStage;
  /** Steps or frames done in this stage, and how many there are. */
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
  readonly tokens: number;
  readonly steps: number;
  readonly frames: number;
  readonly dispatches: number;
  readonly submits: number;
  /** Device memory at the fullest moment, weights included. */
  readonly peakBytes: number;
  /** Work of the whole run as the kernels count it. */
  readonly flops: number;
};
