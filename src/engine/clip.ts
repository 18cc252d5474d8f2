/** Clips of I2VGen-XL and DynamiCrafter on a device, for the app and for scripts. */
import type { Gpu } from './gpu/device.ts';
import type { Precision, WeightPolicy } from './graph/graph.ts';
import { generateDynamiCrafter } from './models/dynamicrafter/pipeline.ts';
import type { DynamiCrafterRequest } from './models/dynamicrafter/request.ts';
import type { DynamiCrafterSource } from './models/dynamicrafter/see.ts';
import { generateI2vgen } from './models/i2vgenxl/pipeline.ts';
import type { I2vgenRequest, I2vgenSource } from './models/i2vgenxl/pipeline.ts';
import type { ClipFrame, ClipOptions } from './models/unet3d/clip-pipeline.ts';
import type { Engine } from './nn/run-once.ts';
import { residentEngine } from './resident.ts';
import type { RunMeasures } from './resident.ts';

export { openDynamiCrafter } from './models/dynamicrafter/open.ts';
export { openI2vgen } from './models/i2vgenxl/open.ts';
export { cutPicture } from './models/dynamicrafter/picture.ts';
export { parseClipModels } from './models/unet3d/catalog.ts';

/** What every run needs beside its request. */
export type ClipRun = ClipOptions &
  RunMeasures & {
    readonly gpu: Gpu;
    /** Storage of weights and activations; `auto` is f16 where the device computes in it. */
    readonly precision?: Precision | 'auto';
    /** How weight matrices are stored; as the precision has it where left out. */
    readonly quantise?: WeightPolicy | undefined;
  };

async function engineOf(run: ClipRun): Promise<Engine> {
  const { gpu, quantise, precision = 'auto' } = run;
  const chosen: Precision = precision === 'auto' ? (gpu.caps.f16 ? 'f16' : 'f32') : precision;
  return { ...(await residentEngine(gpu, run)), precision: chosen, quantise };
}

/** Yields the frames of a picture and a prompt by I2VGen-XL. Throws what `generateI2vgen` throws. */
export async function* i2vgenClip(
  source: I2vgenSource,
  request: I2vgenRequest,
  run: ClipRun,
): AsyncGenerator<ClipFrame, void, void> {
  yield* generateI2vgen(await engineOf(run), source, request, run);
}

/** Yields the frames of a picture, of two joined, or of a loop by DynamiCrafter. Throws what `generateDynamiCrafter` throws. */
export async function* dynamiCrafterClip(
  source: DynamiCrafterSource,
  request: DynamiCrafterRequest,
  run: ClipRun,
): AsyncGenerator<ClipFrame, void, void> {
  yield* generateDynamiCrafter(await engineOf(run), source, request, run);
}
