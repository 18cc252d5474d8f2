/** The sampling loop: one recording replayed for every step, from state that stays on the device. */
import type { Recording } from '../graph/record.ts';
import type { Executor } from '../graph/replay.ts';

export type LoopProgress = {
  /** Step that runs, from 0. */
  readonly step: number;
  readonly steps: number;
  /** Share of all steps that is done, 0 … 1. */
  readonly done: number;
  readonly elapsedMs: number;
  /** Milliseconds to go, by the steps so far; absent in the first step. */
  readonly leftMs?: number;
};

export type LoopOptions = {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LoopProgress) => void;
  /** Called between two steps and after the last, with how many are done; the next step waits for it. */
  readonly onStep?: (done: number) => Promise<void> | void;
  /** First step to run; those before it were done by an earlier run. */
  readonly start?: number;
  /** Once it fires, the loop ends after the step that runs. */
  readonly finishEarly?: AbortSignal;
};

/**
 * Runs `steps` steps; resolves to how many are done. `recordingAt` gives the recording of a step; models that switch networks on the way return
 * another one from some step on, and may load it then. Nothing is read back: the step counter lives on the device.
 * Rejects with `AbortError` soon after `signal` fires.
 */
export async function runSteps(
  executor: Executor,
  steps: number,
  recordingAt: (step: number) => Recording | Promise<Recording>,
  { signal, onProgress, onStep, start: first = 0, finishEarly }: LoopOptions = {},
): Promise<number> {
  let spentMs = 0; // on whole steps; loading a network between two of them does not count
  for (let step = first; step < steps; step++) {
    if (finishEarly?.aborted && step > 0) return step;
    const recording = await recordingAt(step);
    const start = performance.now();
    const report = (part: number): void => {
      const elapsedMs = spentMs + performance.now() - start;
      const left =
        step === first
          ? {}
          : {
              leftMs: Math.max(
                0,
                (spentMs / (step - first)) * (steps - step) - (elapsedMs - spentMs),
              ),
            };
      onProgress?.({ step, steps, done: (step + part) / steps, elapsedMs, ...left });
    };
    await executor.replay(recording, { onProgress: report, ...(signal && { signal }) });
    spentMs += performance.now() - start;
    await onStep?.(step + 1);
  }
  return steps;
}
