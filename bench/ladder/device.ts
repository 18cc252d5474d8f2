/** The device of one rung: opened for it with the levers that are its own, metered, gone afterwards. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import type { BufferMeter } from '../../src/engine/gpu/memory.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { tunedPipelines } from '../tuned.ts';
import type { LadderRun, Switches } from './ladder.ts';

/** What timing variants may take, as in the app. */
const TUNING_MS = 3000;

/** What a rung runs on. */
export type RungDevice = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly meter: BufferMeter;
};

/** Resolves to what `work` measured; rejects with the first thing that the device complained of. */
export async function onRungDevice(
  entry: GPU,
  { matrix, tuned }: Switches,
  work: (device: RungDevice) => Promise<LadderRun>,
): Promise<LadderRun> {
  const gpu = await openDevice({
    gpu: entry,
    ...(!matrix && { without: ['subgroup-matrix'] as const }),
  });
  const complaints: string[] = [];
  gpu.device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  const meter = meterBuffers(gpu.device);
  try {
    const pipelines =
      tuned && !gpu.info.software
        ? (await tunedPipelines(gpu, TUNING_MS)).pipelines
        : new PipelineCache(gpu.device);
    const run = await work({ gpu, pipelines, meter });
    if (complaints[0] !== undefined) throw new Error(complaints[0]);
    return run;
  } finally {
    gpu.destroy();
  }
}
