/** What a run of the built-in model will take, stage by stage, before anything is loaded: the run itself, on paper. */
import type { Capabilities } from '../../gpu/device.ts';
import { paperGpu } from '../../gpu/paper.ts';
import type { Precision } from '../../graph/graph.ts';
import { PaperExecutor } from '../../graph/paper-executor.ts';
import type { Work } from '../../graph/work.ts';
import { NO_WORK, timesWork } from '../../graph/work.ts';
import type { Size } from '../../image/fit.ts';
import { FLOATS_PER_FRAME } from '../../kernels/blend-keys.ts';
import { PipelineCache } from '../../kernels/pipelines.ts';
import { FLOATS_PER_STEP } from '../../sampling/sampler.ts';
import { SHAPES_ALONE, WeightSet } from '../../weights/upload.ts';
import { animate } from './animate.ts';
import { readConfig } from './config.ts';
import { transformerConfig } from './model.ts';
import type { MotionSettings } from './settings.ts';

export type MotionPlan = {
  readonly stages: readonly {
    readonly name: 'prepare' | 'encode' | 'denoise' | 'render';
    readonly steps: number;
    readonly work: Work;
  }[];
  /** The most bytes that live at once. */
  readonly peakBytes: number;
  readonly largestBuffer: number;
};

/** What of the settings decides how much a run takes. */
export type MotionFootprint = Pick<MotionSettings, 'motion' | 'loop' | 'frames'> & {
  readonly steps: number;
};

/** Resolves to what a video of `size` takes. Throws `motion/config`, and `gpu/limit` when a tensor is larger than the device binds. */
export async function planMotion(
  json: unknown,
  size: Size,
  { motion, loop, frames, steps }: MotionFootprint,
  { precision, caps }: { readonly precision: Precision; readonly caps: Capabilities },
): Promise<MotionPlan> {
  const config = readConfig(json);
  const gpu = paperGpu(caps);
  const executor = new PaperExecutor(gpu);
  const engine = { gpu, pipelines: new PipelineCache(gpu.device), executor };
  const weights = new WeightSet(gpu, SHAPES_ALONE);
  const { width, height } = size;
  const picture = { width, height, channels: 4, data: new Uint8ClampedArray(width * height * 4) };
  const longSide = Math.max(width, height);
  const asked = { motion, loop, longSide, frames: 2, steps: 1 };
  const run = animate({ engine, config, weights, precision }, picture, asked, {});
  for await (const frame of run) void frame;
  // Encoder and one step where there is motion of the picture's own, then two frames.
  const [frame = NO_WORK, ...before] = executor.runs.toReversed().slice(1);
  const [step = NO_WORK, encoder = NO_WORK] = before;
  const bytes = weights.bytes;
  const { peak, largest } = gpu;
  // Tables with a row for each step and each frame, of which the run on paper had one and two.
  const { freqDim } = transformerConfig(config);
  const tables =
    4 * (steps - 1) * (FLOATS_PER_STEP + freqDim) + 4 * (frames - 2) * FLOATS_PER_FRAME;
  return {
    stages: [
      {
        name: 'prepare',
        steps: 1,
        work: { ...NO_WORK, loadBytes: bytes, pipelines: encoder.pipelines + step.pipelines },
      },
      { name: 'encode', steps: 1, work: { ...encoder, pipelines: 0 } },
      {
        name: 'denoise',
        steps: before.length > 0 ? steps : 0,
        work: { ...timesWork(step, steps), pipelines: 0 },
      },
      {
        name: 'render',
        steps: frames,
        work: {
          ...timesWork(frame, frames),
          pipelines: frame.pipelines,
          pixels: frames * width * height,
        },
      },
    ],
    peakBytes: peak.total + Math.max(0, tables),
    largestBuffer: largest,
  };
}
