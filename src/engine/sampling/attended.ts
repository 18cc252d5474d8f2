/**
 * A sampling loop that someone attends: its estimate of the clean sample is looked at after each step, checkpoints are
 * taken between steps, it goes on from one, and it can be ended early.
 */
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor } from '../gpu/tensor.ts';
import { readTensor } from '../gpu/tensor.ts';
import type { Recording } from '../graph/record.ts';
import type { Executor } from '../graph/replay.ts';
import type { SamplingHooks, Values } from './checkpoint.ts';
import type { LoopOptions } from './loop.ts';
import { runSteps } from './loop.ts';

/** What a sampler keeps on the device, as far as attending goes. */
export type AttendedState = {
  readonly x: DeviceTensor;
  /** What the last step took the clean sample to be. */
  readonly estimate: DeviceTensor;
  save(): Promise<Values>;
  restore(values: Values, step: number): void;
};

export type AttendOptions = LoopOptions &
  SamplingHooks & {
    /** What errors call the loop; `denoise` where left out. */
    readonly stage?: string;
    /** Which of the run's loops this is; 0 where left out. */
    readonly round?: number;
    /** Kept with every checkpoint. */
    readonly conditions?: Values;
    /** Called with the estimate after a step, by when the next one may be running. */
    readonly onEstimate?: ((estimate: Float32Array, done: number) => void) | undefined;
    /** Called likewise with the sample itself: for tests. */
    readonly onSample?: ((sample: Float32Array, done: number) => void) | undefined;
  };

export type Attended = {
  /** The clean sample, or the last step's estimate of it where the loop was ended early. */
  readonly sample: Float32Array;
  /** Steps that are done, those of an earlier run included. */
  readonly stepsDone: number;
};

/**
 * Runs the steps that `options.resume` has not done; `state` holds the noise to start from. Rejects with `run/non-finite`
 * soon after an estimate holds a value that is no number, and like `runSteps`.
 */
export async function attendSteps(
  engine: { readonly gpu: { readonly device: GPUDevice }; readonly executor: Executor },
  steps: number,
  recordingAt: (step: number) => Recording | Promise<Recording>,
  state: AttendedState,
  options: AttendOptions = {},
): Promise<Attended> {
  const { device } = engine.gpu;
  const { resume, checkpoints, round = 0, conditions = {}, stage = 'denoise' } = options;
  const start = resume?.round === round ? resume.step : 0;
  if (resume?.round === round) state.restore(resume.state, start);

  let look: Promise<void> | undefined;
  const lookAt = async (done: number): Promise<void> => {
    const sample = options.onSample && readTensor(device, state.x);
    const estimate = await readTensor(device, state.estimate);
    checkFinite(estimate, stage, done);
    options.onEstimate?.(estimate, done);
    if (sample) options.onSample?.(await sample, done);
  };
  try {
    const stepsDone = await runSteps(engine.executor, steps, recordingAt, {
      ...options,
      start,
      onStep: async (done) => {
        await look;
        look = unobserved(lookAt(done)); // read while the next step runs
        if (checkpoints && (done === steps || checkpoints.due())) {
          await look; // what is no number is not worth keeping
          await checkpoints.save({
            round,
            step: done,
            steps,
            conditions,
            state: await state.save(),
          });
        }
        await options.onStep?.(done);
      },
    });
    await look;
    const sample = await readTensor(device, stepsDone < steps ? state.estimate : state.x);
    checkFinite(sample, stage, stepsDone);
    return { sample, stepsDone };
  } finally {
    await look?.catch(() => undefined); // its buffers must be gone with the loop
  }
}

/** Whether all values are numbers. */
export function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    sum += value - value; // 0 for every finite value, else NaN: quicker than a call for each
  }
  return sum === 0;
}

/** Throws `run/non-finite` when a value is no number. */
export function checkFinite(values: Float32Array, stage: string, step?: number): void {
  if (allFinite(values)) return;
  const place = step === undefined ? stage : `${stage}, step ${step}`;
  throw new EngineError(
    'run/non-finite',
    `${place} — got values that are no numbers, needs finite ones — use precision f32`,
    { stage },
  );
}

/** A rejection that is looked at after the next step must not count as unhandled until then. */
function unobserved<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
