/** What the pipelines of both 3-D UNets say while they run, and what they give. */
import type { Engine } from '../../nn/run-once.ts';

/** Prompt, picture through CLIP, picture through the autoencoder, steps, frames. */
export type ClipStage = 'text' | 'picture' | 'latent' | 'denoise' | 'decode';

export type ClipProgress = {
  readonly stage: ClipStage;
  /** Share of the stage that is done, 0 … 1. */
  readonly done: number;
  /** Step that runs and how many there are, while denoising. */
  readonly step?: number;
  readonly steps?: number;
  /** Milliseconds that denoising has to go, once a step has been timed. */
  readonly leftMs?: number;
};

export type ClipOptions = {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ClipProgress) => void;
  /** Called with intermediates by name, which are read back for it: for tests. */
  readonly onTrace?: (name: string, values: Float32Array) => void;
};

export type ClipFrame = {
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** RGB in 0..1, row-major from the top. */
  readonly data: Float32Array;
};

/** Runs of one engine may follow one another; each frees all that it holds. */
export type ClipPipeline<Source, Request> = (
  engine: Engine,
  source: Source,
  request: Request,
  options?: ClipOptions,
) => AsyncGenerator<ClipFrame, void, void>;

/** Returns what a stage reports to: progress and the signal. */
export const reporter =
  ({ signal, onProgress }: ClipOptions) =>
  (stage: ClipStage) => ({
    ...(signal && { signal }),
    onProgress: (done: number | Omit<ClipProgress, 'stage'>) =>
      onProgress?.(typeof done === 'number' ? { stage, done } : { ...done, stage }),
  });

/** Returns values −1 … 1 as 0 … 1, clamped. */
export const toUnit = (data: Float32Array): Float32Array =>
  data.map((value) => Math.min(1, Math.max(0, value / 2 + 0.5)));
