/**
 * How much memory and work a clip will take, stage by stage, before anything is loaded: its own pipeline runs against a
 * device on paper, for two steps that stand for all.
 */
import type { Capabilities } from '../../gpu/device.ts';
import { paperGpu } from '../../gpu/paper.ts';
import type { Precision, WeightPolicy } from '../../graph/graph.ts';
import { PaperExecutor } from '../../graph/paper-executor.ts';
import type { Work } from '../../graph/work.ts';
import { NO_WORK, sumOfWork, timesWork } from '../../graph/work.ts';
import { PipelineCache } from '../../kernels/pipelines.ts';
import type { Engine } from '../../nn/run-once.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import type { ClipWeights } from './parts.ts';
import type { ClipFrame, ClipOptions, ClipStage } from './clip-pipeline.ts';

/** What a stage of a clip takes. */
export type ClipStageForecast = {
  readonly stage: ClipStage;
  readonly peakBytes: number;
  readonly largestBuffer: number;
  /** Of the whole stage: all steps, all frames. */
  readonly work: Work;
};

/** What a clip takes. */
export type ClipForecast = {
  readonly stages: readonly ClipStageForecast[];
  readonly peakBytes: number;
  readonly largestBuffer: number;
};

/** On what a clip would run. */
export type ClipGround = {
  readonly caps: Capabilities;
  readonly precision: Precision;
  readonly quantise?: WeightPolicy | undefined;
};

/** Steps that are run on paper. */
export const PAPER_STEPS = 2;

/** Weights of any network without values; rows of a table of `width` columns are zeros. */
export function paperWeights(width: number, positions: number): ClipWeights {
  return {
    ...SHAPES_ALONE,
    has: () => false,
    read: async () => new Float32Array(positions * width),
    readRows: async (_, first, end) => new Float32Array((end - first) * width),
  };
}

/**
 * Resolves to the forecast of a clip of `steps` steps; `run` starts its pipeline with `PAPER_STEPS` of them. Throws what a
 * run would throw for the same request: `clip/…`, `weights/config`, `gpu/limit`.
 */
export async function forecastClip(
  { caps, precision, quantise }: ClipGround,
  steps: number,
  run: (engine: Engine, options: ClipOptions) => AsyncGenerator<ClipFrame, void, void>,
): Promise<ClipForecast> {
  const gpu = paperGpu(caps);
  const executor = new PaperExecutor(gpu);
  const pipelines = new PipelineCache(gpu.device);
  const stages = new Map<ClipStage, ClipStageForecast>();
  let lastStep = NO_WORK;
  let stage: ClipStage | undefined;
  const count = (): void => {
    if (stage === undefined) return;
    const before = stages.get(stage);
    const { total, weights } = gpu.peak;
    if (stage === 'denoise' && executor.runs.length > 0) lastStep = sumOfWork(executor.runs);
    const own = sumOfWork([before?.work ?? NO_WORK, ...executor.runs]);
    stages.set(stage, {
      stage,
      peakBytes: Math.max(before?.peakBytes ?? 0, total),
      largestBuffer: Math.max(before?.largestBuffer ?? 0, gpu.largest),
      work: { ...own, loadBytes: Math.max(own.loadBytes, weights) },
    });
    executor.runs = [];
  };
  // What is made between two words of progress belongs to the stage of the first.
  const onProgress = (event: { readonly stage: ClipStage }): void => {
    count();
    stage = event.stage;
    gpu.restart();
  };
  const engine = { gpu, pipelines, executor, precision, quantise };
  let pixels = 0;
  for await (const { width, height } of run(engine, { onProgress })) pixels += width * height;
  count();
  const whole = [...stages.values()].map((each): ClipStageForecast => {
    const { stage, work } = each;
    if (stage === 'decode') return { ...each, work: { ...work, pixels } };
    if (stage !== 'denoise') return each;
    const { pipelines: shaders, loadBytes } = work;
    const others = timesWork(lastStep, steps - PAPER_STEPS);
    return { ...each, work: { ...sumOfWork([work, others]), pipelines: shaders, loadBytes } };
  });
  return {
    stages: whole,
    peakBytes: Math.max(...whole.map(({ peakBytes }) => peakBytes)),
    largestBuffer: Math.max(...whole.map(({ largestBuffer }) => largestBuffer)),
  };
}
