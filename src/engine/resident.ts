/** What stays with a device from run to run: compiled pipelines, the executor that knows its speed, timings of kernels, weights. */
import type { Gpu } from './gpu/device.ts';
import type { Profiler } from './graph/profile.ts';
import { Executor } from './graph/replay.ts';
import { PipelineCache } from './kernels/pipelines.ts';
import type { TuningStore } from './tuning/store.ts';
import { Tuner } from './tuning/tuner.ts';
import { WeightKeeper } from './weights/keeper.ts';

/** What a run may be asked beside its result. */
export type RunMeasures = {
  /** Takes the time of every dispatch. */
  readonly profiler?: Profiler;
  /** Where timings of kernel variants are kept; without it the device runs what is usual for its kind. */
  readonly tuning?: TuningStore;
  /** Told when that place cannot be read or written. */
  readonly onTuningError?: (error: unknown) => void;
  /** Most bytes of weights that stay on the device when the run is over; none where left out. */
  readonly keepBytes?: number;
};

/** What runs recordings on one device. */
export type ResidentEngine = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly executor: Executor;
  /** Holds weights of large models from run to run. */
  readonly keeper: WeightKeeper;
};

const engines = new WeakMap<Gpu, ResidentEngine>();

/** Returns how often the device's engine has given it work; 0 where it has none yet. Changes nothing, unlike `residentEngine`. */
export const submitsOf = (gpu: Gpu): number => engines.get(gpu)?.executor.submits ?? 0;

/** Resolves to the device's engine, the same one each time, measuring what this run asks for. */
export async function residentEngine(
  gpu: Gpu,
  { profiler, tuning: store, onTuningError, keepBytes = 0 }: RunMeasures,
): Promise<ResidentEngine> {
  const engine = engines.get(gpu) ?? {
    ...{ gpu, pipelines: new PipelineCache(gpu.device), executor: new Executor(gpu) },
    keeper: new WeightKeeper(gpu, keepBytes),
  };
  engines.set(gpu, engine);
  const { pipelines, executor, keeper } = engine;
  executor.profiler = profiler;
  keeper.mostBytes = keepBytes;
  keeper.trim(keepBytes);
  if (store && pipelines.tuning) pipelines.tuning.refill();
  else if (store) {
    const told = onTuningError && { onStoreError: onTuningError };
    pipelines.tuning = await Tuner.open({ gpu, pipelines, store, ...told });
  }
  return engine;
}
