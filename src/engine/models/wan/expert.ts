/** One transformer ready to denoise: its context computed once, one step recorded against the sampler's state. */
import { EngineError } from '../../gpu/errors.ts';
import { bytesOf } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/graph.ts';
import { concat, slice } from '../../graph/ops/layout.ts';
import { schedulerStep } from '../../graph/ops/scheduler.ts';
import { tableRow } from '../../graph/ops/table.ts';
import type { Recording } from '../../graph/record.ts';
import { timestepSinusoid } from '../../kernels/rope.ts';
import { Scope } from '../../nn/module.ts';
import { prepare } from '../../nn/prepare.ts';
import type { Engine } from '../../nn/run-once.ts';
import { leaseWeights } from '../../nn/run-once.ts';
import type { SamplerState } from '../../sampling/state.ts';
import { packName } from '../../weights/packs.ts';
import { StreamedWeights } from '../../weights/streamed.ts';
import { swapFeed } from '../../weights/swap.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { WeightSet } from '../../weights/upload.ts';
import type { WanConfig } from './config.ts';
import { borrowContext, contextNames, keepContext, trimText, wanContext } from './context.ts';
import type { TransformerArgs } from './dit.ts';
import { wanTransformer } from './dit.ts';
import type { LatentSize } from './pipeline-request.ts';

/** What the transformer is conditioned on, the same in every step. */
export type Conditions = {
  /** Rows [n, textDim] of the text encoder, padding left out. */
  readonly prompt: Float32Array;
  readonly negativePrompt: Float32Array;
  /** Rows [m, imageDim] of the image encoder, for models that attend to them. */
  readonly imageTokens?: Float32Array;
  /** Channels [F, h, w, n] behind those of the noisy latent. */
  readonly channels?: Float32Array;
  /** Clean latent [1, h, w, C] in the place of the first frame, which then stands at timestep 0. */
  readonly firstFrame?: Float32Array;
};

export type Expert = {
  readonly step: Recording;
  /**
   * Lets the network of `next`, which it was loaded with, take this one's place while `step` is replayed for the last time
   * with this one; after that replay `step` is the next one's. Undefined where it cannot.
   */
  readonly succeed?: () => Promise<void>;
  /** To be called after that replay, and before `step` is replayed again. */
  readonly succeeded?: () => Promise<void>;
  destroy(): void;
};

export type ExpertPlan = {
  readonly config: WanConfig;
  readonly size: LatentSize;
  readonly conditions: Conditions;
  /** Whether each step runs the network a second time, without the prompt. */
  readonly guided: boolean;
};

/**
 * Resolves to the expert with its weights on the device; what it needs stays there until `destroy`. `next` are the weights
 * of an expert of the same shape that is to follow.
 */
export async function loadExpert(
  engine: Engine,
  source: WeightSource,
  plan: ExpertPlan,
  state: SamplerState,
  next?: WeightSource,
): Promise<Expert> {
  const { gpu, stream } = engine;
  const owned: { destroy(): void }[] = [];
  const destroy = (): void => owned.forEach((part) => part.destroy());
  try {
    const contexts = await keptContexts(engine, source, plan, owned);
    const heirs = next && stream !== true ? await keptContexts(engine, next, plan, owned) : [];
    const graph = stepGraph(engine, plan, contexts, state);
    const weights = stream === true ? new StreamedWeights(gpu, source) : new WeightSet(gpu, source);
    owned.push({
      destroy: () => ('release' in weights ? weights.release() : weights.destroy()),
    });
    const step = await prepare(graph, engine, weights);
    owned.push(step);
    if ('feedFor' in weights) {
      step.feed = weights.feedFor(step);
      return { step, destroy };
    }
    if (!next) return { step, destroy };
    let isKept = false;
    return {
      ...{ step, destroy },
      async succeed() {
        const { packs } = next;
        const name = await packName([...graph.weights.values()]);
        const pack = await packs?.open(name).catch((error: unknown) => {
          packs.onError(error);
          return undefined;
        });
        isKept = pack !== undefined;
        step.feed = () => swapFeed(gpu, weights, graph, step.dispatches, next, pack);
      },
      async succeeded() {
        step.feed = undefined;
        contexts.forEach((context, i) => copyContext(gpu.device, plan.config, context, heirs[i]));
        if (!isKept) await weights.keepFor(next, graph);
      },
    };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** The contexts of a network's prompts; the weights that make them are freed with them made. */
async function keptContexts(
  engine: Engine,
  source: WeightSource,
  plan: ExpertPlan,
  owned: { destroy(): void }[],
): Promise<KeptContext[]> {
  const { prompt, negativePrompt } = plan.conditions;
  const { stream } = engine;
  const weights = leaseWeights({ ...engine, keeper: undefined, stream }, source);
  try {
    const contexts: KeptContext[] = [];
    for (const text of plan.guided ? [prompt, negativePrompt] : [prompt]) {
      const { graph, lastKeyBias } = contextGraph(engine, plan, text);
      const recording = await prepare(graph, engine, weights);
      owned.push(recording);
      recording.feed = weights.feedFor?.(recording);
      await engine.executor.replay(recording);
      contexts.push({ recording, lastKeyBias });
    }
    return contexts;
  } finally {
    weights.release();
  }
}

/** Puts the keys and values of another network in the place of a context's. */
function copyContext(
  device: GPUDevice,
  config: WanConfig,
  to: KeptContext,
  from: KeptContext | undefined,
): void {
  if (!from) throw new EngineError('engine/assert', 'expert — its heir has no context');
  const encoder = device.createCommandEncoder({ label: 'context' });
  for (const name of contextNames(config)) {
    const [a, b] = [from.recording.result(name), to.recording.result(name)];
    encoder.copyBufferToBuffer(a.buffer, a.offset, b.buffer, b.offset, bytesOf(a.shape, a.dtype));
  }
  device.queue.submit([encoder.finish()]);
}

/** Keys and values of a prompt, held by the recording that made them. */
type KeptContext = { readonly recording: Recording; readonly lastKeyBias: number };

function contextGraph(
  engine: Engine,
  { config, conditions }: ExpertPlan,
  text: Float32Array,
): { graph: Graph; lastKeyBias: number } {
  const graph = new Graph({ precision: engine.precision, quantise: engine.quantise });
  const { values, rows, lastKeyBias } = trimText(text, config.textDim, config.textLength);
  const { imageTokens } = conditions;
  const context = wanContext(config)(new Scope(graph))({
    text: graph.constant('text', values, [rows, config.textDim], graph.compute),
    image:
      imageTokens &&
      graph.constant(
        'image tokens',
        imageTokens,
        [imageTokens.length / (config.imageDim ?? 1), config.imageDim ?? 1],
        graph.compute,
      ),
  });
  keepContext(graph, context);
  return { graph, lastKeyBias };
}

function stepGraph(
  engine: Engine,
  plan: ExpertPlan,
  contexts: readonly KeptContext[],
  state: SamplerState,
): Graph {
  const { config, size, conditions } = plan;
  const graph = new Graph({ precision: engine.precision, quantise: engine.quantise });
  const { step, coefficients, ...tensors } = state.in(graph);
  const latents = networkInput(graph, tensors.x, size, conditions);
  const clock = timeInput(graph, step, state, plan);
  const network = wanTransformer(config)(new Scope(graph));
  const [velocity, unguided] = contexts.map(({ recording, lastKeyBias }) => {
    const context = borrowContext(graph, config, (name) => recording.result(name));
    return network({ latents, ...clock, context, lastKeyBias });
  });
  if (velocity) schedulerStep(tensors, velocity, unguided, coefficients, step);
  return graph;
}

/** The noisy latent as the network sees it: with a picture's channels behind it, or its first frame clean. */
function networkInput(
  graph: Graph,
  x: Tensor,
  { F, h, w, C }: LatentSize,
  { channels, firstFrame }: Conditions,
): Tensor[] {
  if (firstFrame) {
    const first = graph.constant('first frame', firstFrame, [1, h, w, C]);
    return [F === 1 ? first : concat([first, slice(x, 0, 1, F - 1)], 0)];
  }
  if (!channels) return [x];
  return [x, graph.constant('picture', channels, [F, h, w, channels.length / (F * h * w)])];
}

/** The sinusoid of the step's timestep; a clean first frame stands at 0 instead. */
function timeInput(
  graph: Graph,
  step: Tensor,
  { sampler }: SamplerState,
  { config, size, conditions }: ExpertPlan,
): Pick<TransformerArgs, 'time' | 'rowsPerGroup'> {
  const { freqDim, patch } = config;
  const tokensPerFrame = (size.h / patch.ph) * (size.w / patch.pw);
  const groups = (t: number): readonly number[] => (conditions.firstFrame ? [0, t] : [t]);
  const rows = sampler.timesteps.flatMap((t) =>
    groups(t).map((each) => timestepSinusoid(each, freqDim)),
  );
  const values = new Float32Array(rows.length * freqDim);
  rows.forEach((row, i) => values.set(row, i * freqDim));
  const steps = sampler.timesteps.length;
  const table = graph.constant('timesteps', values, [steps, rows.length / steps, freqDim]);
  return { time: tableRow(table, step), rowsPerGroup: tokensPerFrame };
}
