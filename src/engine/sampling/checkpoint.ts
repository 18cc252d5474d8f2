/** Where a sampling loop stands, as values that outlive the device: enough to go on from, bit for bit. */
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor } from '../gpu/tensor.ts';
import { sizeOf, writeTensor } from '../gpu/tensor.ts';

/** Values by name. */
export type Values = Readonly<Record<string, Float32Array>>;

/** A sampling loop between two steps. */
export type Checkpoint = {
  /** Which of a run's sampling loops: 0 where there is one, the block of a stream. */
  readonly round: number;
  /** Steps that are done; equal to `steps` after the last. */
  readonly step: number;
  readonly steps: number;
  /** What stays the same over the steps and took work to make; the same object in all checkpoints of a round. */
  readonly conditions: Values;
  /** The sampler's own tensors. */
  readonly state: Values;
};

/** Where checkpoints go. */
export type CheckpointSink = {
  /** Whether enough work was done since the last one; asked between steps, before anything is read back. */
  due(): boolean;
  /** Keeps a checkpoint in place of the one before. */
  save(checkpoint: Checkpoint): Promise<void>;
};

/** What a sampling loop can be asked beside its result. */
export type SamplingHooks = {
  /** Once it fires, the loop ends after the step that runs, with its best estimate of the clean sample. */
  readonly finishEarly?: AbortSignal;
  readonly checkpoints?: CheckpointSink;
  /** Where to go on from, in place of noise; of a run with the same settings on the same kind of device. */
  readonly resume?: Checkpoint;
};

/** Returns the hooks alone of options that hold more. */
export const samplingHooks = ({
  finishEarly,
  checkpoints,
  resume,
}: SamplingHooks): SamplingHooks => ({
  ...(finishEarly && { finishEarly }),
  ...(checkpoints && { checkpoints }),
  ...(resume && { resume }),
});

/** Writes saved values into the tensors of the same names. Throws `sampling/checkpoint` when one is missing or of another size. */
export function restoreTensors(
  device: GPUDevice,
  tensors: Readonly<Record<string, DeviceTensor>>,
  values: Values,
): void {
  for (const [name, { shape }] of Object.entries(tensors)) {
    const have = values[name]?.length ?? 0;
    if (have === sizeOf(shape)) continue;
    throw new EngineError(
      'sampling/checkpoint',
      `checkpoint — got ${have} values for ${name}, needs ${sizeOf(shape)} — begin anew`,
      { have, need: sizeOf(shape) },
    );
  }
  for (const [name, tensor] of Object.entries(tensors)) {
    writeTensor(device, tensor, values[name] ?? []);
  }
}
