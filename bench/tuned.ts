/** Pipelines whose variants are timed on the device at hand, as the app does it, with nothing kept afterwards. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { memoryStore } from '../src/engine/tuning/store.ts';
import { Tuner } from '../src/engine/tuning/tuner.ts';

export type TunedPipelines = { readonly pipelines: PipelineCache; readonly tuner: Tuner };

/** Resolves to pipelines with a tuner that may time for `budgetMs` until it is refilled. */
export async function tunedPipelines(gpu: Gpu, budgetMs: number): Promise<TunedPipelines> {
  const pipelines = new PipelineCache(gpu.device);
  const tuner = await Tuner.open({ gpu, pipelines, store: memoryStore(), budgetMs });
  pipelines.tuning = tuner;
  return { pipelines, tuner };
}
