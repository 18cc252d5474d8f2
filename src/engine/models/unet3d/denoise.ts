/**
 * Denoising with a 3-D UNet: keys and values of every condition are made once a clip, then one recorded step, which
 * holds the network calls of all conditions, is replayed from noise to a clean latent.
 */
import type { Tensor } from '../../graph/graph.ts';
import { Graph } from '../../graph/graph.ts';
import type { Outputs } from '../../graph/ops/ddim.ts';
import { ddimStep } from '../../graph/ops/ddim.ts';
import { concat } from '../../graph/ops/layout.ts';
import { tableRow } from '../../graph/ops/table.ts';
import type { Recording } from '../../graph/record.ts';
import { timestepSinusoid } from '../../kernels/rope.ts';
import { Scope } from '../../nn/module.ts';
import { prepare } from '../../nn/prepare.ts';
import type { Engine } from '../../nn/run-once.ts';
import { leaseWeights } from '../../nn/run-once.ts';
import { ahead } from '../../sampling/ahead.ts';
import type { Attended, AttendOptions } from '../../sampling/attended.ts';
import { attendSteps } from '../../sampling/attended.ts';
import type { DdimSampler, Guidance } from '../../sampling/ddim.ts';
import { DdimState } from '../../sampling/ddim-state.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { Unet3dConfig } from './config.ts';
import type { ContextArgs } from './context.ts';
import { borrowContext, keepContext, unetContext } from './context.ts';
import { embeddings } from './embedding.ts';
import { unet3d } from './unet.ts';

/** What one network call of a step is conditioned on. */
export type Condition = ContextArgs & {
  /** Channels beside the noisy latent [F, h, w, C]. */
  readonly channels: Tensor;
};

/** Builds a condition in a graph of its own, with the UNet's weights at `root`. */
export type BuildCondition = (root: Scope) => Condition;

export type DenoisePlan = {
  readonly config: Unet3dConfig;
  readonly sampler: DdimSampler;
  readonly guidance: Guidance;
  /** Rate or stride of frames that the network is told. */
  readonly rate: number;
  /** The noise to start from, [F, h, w, C] of `shape`. */
  readonly noise: Float32Array;
  readonly shape: readonly [F: number, h: number, w: number, C: number];
  /** Fresh noise of step `i`; called only for samplers that add some. */
  readonly stepNoise: (i: number) => Float32Array;
  readonly conditions: Readonly<Record<keyof Outputs, BuildCondition | undefined>> & {
    readonly conditional: BuildCondition;
  };
};

const ROLES = ['conditional', 'unconditional', 'imageOnly'] as const;

/** A condition whose keys, values and channels a recording holds. */
export type Kept = { readonly recording: Recording; readonly perFrame: boolean };

/** Resolves to the clean latent [F, h, w, C]. Rejects like `attendSteps`. */
export async function denoise(
  engine: Engine,
  source: WeightSource,
  plan: DenoisePlan,
  options: AttendOptions = {},
): Promise<Attended> {
  const { gpu, executor } = engine;
  const weights = leaseWeights(engine, source);
  const state = new DdimState(gpu.device, plan.sampler, plan.shape, plan.guidance);
  const owned: { destroy(): void }[] = [{ destroy: () => weights.release() }, state];
  const recorded = async (graph: Graph): Promise<Recording> => {
    const recording = await prepare(graph, engine, weights, options.signal);
    owned.push(recording);
    return recording;
  };
  try {
    const kept = new Map<keyof Outputs, Kept>();
    for (const role of ROLES) {
      const build = plan.conditions[role];
      if (!build) continue;
      const graph = newGraph(engine);
      const perFrame = keepCondition(graph, plan.config, build);
      const recording = await recorded(graph);
      await executor.replay(recording, options.signal ? { signal: options.signal } : {});
      kept.set(role, { recording, perFrame });
    }
    const step = await recorded(stepGraph(engine, plan, kept, state));
    state.start(plan.noise);
    const steps = plan.sampler.steps.length;
    const noiseOf = ahead(steps, plan.stepNoise);
    const next = (i: number): Recording => {
      if (state.noisy) state.addNoise(noiseOf(i));
      return step;
    };
    return await attendSteps(engine, steps, next, state, options);
  } finally {
    for (const part of owned.toReversed()) part.destroy();
  }
}

/** Sums stay in f16 where all else does: so the released models are run by their authors. */
export const newGraph = ({ precision, quantise }: Pick<Engine, 'precision' | 'quantise'>): Graph =>
  new Graph({ precision, quantise, residual: precision });

/** Writes a condition into `graph` and keeps what it makes; returns whether each frame has image tokens of its own. */
export function keepCondition(graph: Graph, config: Unet3dConfig, build: BuildCondition): boolean {
  const root = new Scope(graph);
  const { channels, ...context } = build(root);
  keepContext(graph, 'context', unetContext(config)(root)(context));
  graph.result('channels', channels);
  return context.image?.perFrame ?? false;
}

/** Returns a step: a network call for each condition in `kept`, then the sampler's. */
export function stepGraph(
  engine: Pick<Engine, 'precision' | 'quantise'>,
  {
    config,
    sampler,
    rate,
    guidance,
  }: Pick<DenoisePlan, 'config' | 'sampler' | 'rate' | 'guidance'>,
  kept: ReadonlyMap<keyof Outputs, Kept>,
  state: DdimState,
): Graph {
  const graph = newGraph(engine);
  const root = new Scope(graph);
  const tensors = state.in(graph);
  const width = config.widths[0] ?? 1;
  const rows = Float32Array.from({ length: sampler.timesteps.length * width });
  sampler.timesteps.forEach((t, i) => rows.set(timestepSinusoid(t, width), i * width));
  const table = graph.constant('timesteps', rows, [sampler.timesteps.length, 1, width]);
  const own = graph.constant('rate', timestepSinusoid(rate, width), [1, width]);
  const { sum } = embeddings(config)(root)(tableRow(table, tensors.step), own);
  const network = unet3d(config)(root);
  const call = (role: keyof Outputs): Tensor | undefined => {
    const condition = kept.get(role);
    if (!condition) return undefined;
    const { recording, perFrame } = condition;
    const result = (name: string) => recording.result(name);
    const x = concat([tensors.x, graph.external(result('channels'))], 3);
    const context = borrowContext(graph, config, 'context', { result, perFrame });
    return network({ x, embedding: sum, context });
  };
  const conditional = call('conditional');
  if (conditional) {
    const outputs = {
      conditional,
      unconditional: call('unconditional'),
      imageOnly: call('imageOnly'),
    };
    ddimStep(tensors, outputs, (guidance.rescale ?? 0) > 0);
  }
  return graph;
}
