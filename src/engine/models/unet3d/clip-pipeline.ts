/** What the pipelines of both 3-D UNets say while they run, and what they give. */
import type { Raster } from '../../image/resize.ts';
import type { Engine } from '../../nn/run-once.ts';
import type { SamplingHooks } from '../../sampling/checkpoint.ts';

/** Prompt, picture through CLIP, picture through the autoencoder, steps, frames. */
export type ClipStage = 'text' | 'picture' | 'encode' | 'denoise' | 'decode';

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

export type ClipOptions = SamplingHooks & {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ClipProgress) => void;
  /** Called after steps with a small picture of the middle frame, 0 … 1, as the network sees it by then. */
  readonly onPreview?: ((picture: Raster, done: number, steps: number) => void) | undefined;
  /** Called when f16 was not enough for the decoder and the rest is decoded in f32. */
  readonly onDecodeInF32?: (() => void) | undefined;
  /** Called when denoising has ended, with how many steps were made. */
  readonly onSampled?: ((steps: number) => void) | undefined;
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

/** Part of a stage: from which share of it to which. */
export type Share = readonly [from: number, to: number];

/** Returns what a stage, or a part of it, reports to: progress and the signal. Called when it begins, which is told at once. */
export const reporter =
  ({ signal, onProgress }: ClipOptions) =>
  (stage: ClipStage, [from, to]: Share = [0, 1]) => {
    onProgress?.({ stage, done: from });
    return {
      ...(signal && { signal }),
      onProgress: (done: number | Omit<ClipProgress, 'stage'>) =>
        onProgress?.(
          typeof done === 'number'
            ? { stage, done: from + (to - from) * done }
            : { ...done, stage },
        ),
    };
  };
