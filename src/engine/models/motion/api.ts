/** The built-in model as its callers see it. */
import type { Gpu } from '../../gpu/device.ts';
import type { Precision, WeightPolicy } from '../../graph/graph.ts';
import type { Executor } from '../../graph/replay.ts';
import type { Raster } from '../../image/resize.ts';
import type { PipelineCache } from '../../kernels/pipelines.ts';
import type { SamplingHooks } from '../../sampling/checkpoint.ts';
import type { ByteSource } from '../../weights/byte-source.ts';
import type { MotionPreview } from './preview.ts';
import type { MotionFrame, MotionProgress, MotionReport } from './report.ts';
import type { MotionSettings } from './settings.ts';

/** What runs the model; several models may share it. */
export type MotionEngine = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly executor: Executor;
};

/** The files of the model: config.json, parsed, and model.safetensors. */
export type MotionFiles = { readonly config: unknown; readonly weights: ByteSource };

export type LoadOptions = {
  readonly precision: Precision;
  /** Which of the network's matrices are stored as small integers; none if left out. */
  readonly quantise?: WeightPolicy | undefined;
  readonly signal?: AbortSignal;
};

export type AnimateOptions = SamplingHooks & {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MotionProgress) => void;
  /** Called after each step with the picture, small, as the motion found so far would move it. */
  readonly onPreview?: ((preview: MotionPreview) => void) | undefined;
};

/** The loaded model. Its weights stay on the device from the first run on, until `destroy`; all else lives as long as a run. */
export type MotionModel = {
  /**
   * Yields the frames of the picture in motion, in order, and returns the run's report. `picture` is RGBA at its own
   * size; the output has its aspect. The same seed on the same adapter gives the same frames.
   * Throws `settings/range`, `image/size`, `gpu/limit`, or `AbortError` once `signal` fires.
   */
  animate(
    picture: Raster<Uint8ClampedArray>,
    settings: Partial<MotionSettings>,
    options?: AnimateOptions,
  ): AsyncGenerator<MotionFrame, MotionReport, void>;
  /** Frees the weights; the model can still run, and then uploads them again. */
  destroy(): void;
};
