/**
 * Denoising: one step (network with and without prompt, guidance, solver, counter) is recorded once for each expert
 * and replayed from state that stays on the device.
 */
import { readTensor } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/graph.ts';
import { concat, slice } from '../../graph/ops/layout.ts';
import { schedulerStep } from '../../graph/ops/scheduler.ts';
import { fuse } from '../../graph/passes/fuse.ts';
import type { Recording } from '../../graph/record.ts';
import { record } from '../../graph/record.ts';
import { Scope } from '../../nn/module.ts';
import type { Engine } from '../../nn/run-once.ts';
import type { LoopOptions } from '../../sampling/loop.ts';
import { runSteps } from '../../sampling/loop.ts';
import type { Sampler } from '../../sampling/sampler.ts';
import { SamplerState } from '../../sampling/state.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { WeightSet } from '../../weights/upload.ts';
import type { LatentSize } from './pipeline-request.ts';

/** One network and the steps that are its own. */
export type Expert = {
  /** First step that is not this expert's any more. */
  readonly end: number;
  readonly guidance: number;
  /** Opens the weights; called when the first of its steps is due. */
  readonly open: () => Promise<WeightSource>;
  /** Builds the network: the velocity [F, h, w, C] for its input at a step, and that without the prompt for guidance. */
  readonly predict: (root: Scope, input: Tensor, step: Tensor) => Prediction;
};

export type Prediction = { readonly velocity: Tensor; readonly unguided: Tensor | undefined };

/** What a picture adds to the network's input. */
export type PictureInput = {
  /** Channels [F, h, w, n] behind those of the noisy latent. */
  readonly channels?: Float32Array;
  /** Clean latent [1, h, w, C] in the place of the first frame. */
  readonly firstFrame?: Float32Array;
};

/** Resolves to the clean latent [F, h, w, C]. Rejects with `AbortError` once the signal of `options` fires. */
export async function denoise(
  engine: Engine,
  sampler: Sampler,
  experts: readonly Expert[],
  start: {
    readonly size: LatentSize;
    readonly noise: Float32Array;
    readonly picture: PictureInput;
  },
  options: LoopOptions & { readonly onLatent?: (latent: Float32Array) => void } = {},
): Promise<Float32Array> {
  const { gpu, executor } = engine;
  const { size, noise, picture } = start;
  const expertAt = (step: number): Expert | undefined => experts.find(({ end }) => step < end);
  const shape = [size.F, size.h, size.w, size.C];
  const state = new SamplerState(
    gpu.device,
    sampler,
    shape,
    (step) => expertAt(step)?.guidance ?? 1,
  );
  state.start(noise);
  let current: LoadedExpert | undefined;
  const recordingAt = async (step: number): Promise<Recording> => {
    const expert = expertAt(step);
    if (current && current.expert === expert) return current.recording;
    current?.destroy();
    current = undefined; // stays so if the next one cannot be loaded
    if (!expert) throw new RangeError(`no expert for step ${step}`);
    current = await loadExpert(engine, expert, state, size, picture);
    return current.recording;
  };
  const { onLatent, onStep, ...rest } = options;
  try {
    await runSteps(executor, sampler.steps.length, recordingAt, {
      ...rest,
      onStep: async (done) => {
        onLatent?.(await readTensor(gpu.device, state.x));
        await onStep?.(done);
      },
    });
    const latent = await readTensor(gpu.device, state.x);
    if (picture.firstFrame) latent.set(picture.firstFrame);
    return latent;
  } finally {
    current?.destroy();
    state.destroy();
  }
}

type LoadedExpert = { readonly expert: Expert; readonly recording: Recording; destroy(): void };

async function loadExpert(
  engine: Engine,
  expert: Expert,
  state: SamplerState,
  size: LatentSize,
  picture: PictureInput,
): Promise<LoadedExpert> {
  const { gpu, pipelines, precision } = engine;
  const graph = new Graph({ precision });
  const { step, coefficients, ...tensors } = state.in(graph);
  const input = networkInput(graph, tensors.x, size, picture);
  const { velocity, unguided } = expert.predict(new Scope(graph), input, step);
  schedulerStep(tensors, velocity, unguided, coefficients, step);
  fuse(graph);
  const weights = new WeightSet(gpu, await expert.open());
  try {
    await weights.load(graph);
    const recording = await record(graph, { gpu, pipelines, weights: (key) => weights.get(key) });
    const destroy = (): void => {
      recording.destroy();
      weights.destroy();
    };
    return { expert, recording, destroy };
  } catch (error) {
    weights.destroy();
    throw error;
  }
}

/** The noisy latent as the network sees it: with a picture's channels behind it, or its first frame clean. */
function networkInput(
  graph: Graph,
  x: Tensor,
  { F, h, w, C }: LatentSize,
  picture: PictureInput,
): Tensor {
  const { channels, firstFrame } = picture;
  if (channels) {
    const width = channels.length / (F * h * w);
    return concat([x, graph.constant('picture', channels, [F, h, w, width])], 3);
  }
  if (!firstFrame) return x;
  const first = graph.constant('first frame', firstFrame, [1, h, w, C]);
  return F === 1 ? first : concat([first, slice(x, 0, 1, F - 1)], 0);
}
