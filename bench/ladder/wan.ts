/** A guided run of a Wan transformer with random weights under the ladder's switches: text rows to clean latent. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { schedulerStep } from '../../src/engine/graph/ops/scheduler.ts';
import { tableRow } from '../../src/engine/graph/ops/table.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { unfuseAttention } from '../../src/engine/graph/passes/plain-attention.ts';
import type { MemoryPlan } from '../../src/engine/graph/plan.ts';
import { planMemory } from '../../src/engine/graph/plan.ts';
import type { Recording } from '../../src/engine/graph/record.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { timestepSinusoid } from '../../src/engine/kernels/rope.ts';
import type { WanConfig } from '../../src/engine/models/wan/config.ts';
import type { BlockContext } from '../../src/engine/models/wan/context.ts';
import {
  borrowContext,
  keepContext,
  trimText,
  wanContext,
} from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { normal } from '../../src/engine/sampling/rng.ts';
import type { Sampler } from '../../src/engine/sampling/sampler.ts';
import { samplerFor } from '../../src/engine/sampling/sampler.ts';
import { SamplerState } from '../../src/engine/sampling/state.ts';
import { policyWhere } from '../../src/engine/weights/policy.ts';
import { RandomWeights } from '../random-weights.ts';
import { onRungDevice } from './device.ts';
import type { LadderRun, Switches } from './ladder.ts';
import { ladderPolicy } from './ladder.ts';

export type WanPlan = {
  readonly config: WanConfig;
  /** Latent frames, rows and columns. */
  readonly grid: readonly [number, number, number];
  /** Rows of the prompt and of what is not wanted. */
  readonly words: readonly [number, number];
};

const GUIDANCE = 5;
const SHIFT = 5;

/** Resolves to what one clip took. Opens a device of its own, which is gone afterwards. */
export const runWan = (entry: GPU, plan: WanPlan, switches: Switches): Promise<LadderRun> =>
  onRungDevice(entry, switches, async ({ gpu, pipelines, meter }) => {
    const clip = new Clip(gpu, pipelines, plan, switches);
    await clip.prepare();
    meter.resetPeak();
    const start = performance.now();
    const { computed, dispatches } = await clip.denoise(switches.steps);
    const seconds = (performance.now() - start) / 1000;
    const values = await clip.latent();
    const { weightBytes } = clip;
    return { seconds, peakBytes: meter.peakBytes, weightBytes, dispatches, computed, values };
  });

class Clip {
  readonly #gpu: Gpu;
  readonly #plan: WanPlan;
  readonly #switches: Switches;
  readonly #pipelines: PipelineCache;
  readonly #executor: Executor;
  readonly #weights: RandomWeights;
  readonly #sampler: Sampler;
  readonly #state: SamplerState;
  readonly #noise: Float32Array;
  /** Of the prompt and of what is not wanted, where they are kept. */
  readonly #contexts: Recording[] = [];
  #step: { readonly graph: Graph; readonly plan: MemoryPlan } | undefined;
  /** The recordings of a step, where they are replayed: with the network, and with its last velocities. */
  #full: Recording | undefined;
  #again: Recording | undefined;

  constructor(gpu: Gpu, pipelines: PipelineCache, plan: WanPlan, switches: Switches) {
    const [F, H, W] = plan.grid;
    const C = plan.config.outChannels;
    this.#gpu = gpu;
    this.#plan = plan;
    this.#switches = switches;
    this.#pipelines = pipelines;
    this.#executor = new Executor(gpu);
    this.#weights = new RandomWeights(gpu, this.#pipelines);
    const options = { steps: switches.steps, shift: SHIFT };
    this.#sampler = samplerFor('unipc', 'diffusers', options);
    this.#state = new SamplerState(gpu.device, this.#sampler, [F, H, W, C], () => GUIDANCE);
    this.#noise = normal(1, 0, F * H * W * C);
  }

  get weightBytes(): number {
    return this.#weights.bytes;
  }

  /** Makes the weights, plans, records what is replayed, and runs a step that does not count: shaders, clocks. */
  async prepare(): Promise<void> {
    const { replay, context, reuseWithin } = this.#switches;
    const { caps } = this.#gpu;
    if (context === 'kept') await this.#recordContexts();
    const graph = this.#prepared(this.#stepGraph());
    await this.#weights.load(graph);
    const plan = planMemory(graph, Math.min(caps.maxBindingBytes, caps.maxBufferBytes));
    this.#step = { graph, plan };
    if (replay) this.#full = await this.#record(graph, plan);
    if (this.#full && reuseWithin > 0) {
      this.#again = await this.#record(this.#againGraph(this.#full));
    }
    await this.denoise(1);
  }

  /** Runs the first `steps` steps from noise; resolves when the device is done. */
  async denoise(steps: number): Promise<{ computed: number; dispatches: number }> {
    const step = this.#step;
    if (!step) throw new Error('prepare the clip first');
    this.#state.start(this.#noise);
    for (const recording of this.#contexts) await this.#executor.replay(recording);
    let last = Infinity;
    let [computed, dispatches] = [0, 0];
    for (const { sigma } of this.#sampler.steps.slice(0, steps)) {
      if (this.#again && Math.abs(last - sigma) < this.#switches.reuseWithin) {
        await this.#executor.replay(this.#again);
        continue;
      }
      last = sigma;
      computed++;
      const recording = this.#full ?? (await this.#record(step.graph, step.plan));
      dispatches = recording.dispatches.length;
      await this.#executor.replay(recording);
      if (!this.#full) recording.destroy();
    }
    return { computed, dispatches };
  }

  latent(): Promise<Float32Array> {
    return readTensor(this.#gpu.device, this.#state.x);
  }

  #graph(): Graph {
    const policy = ladderPolicy(this.#switches);
    const { precision } = this.#switches;
    return new Graph({ precision, quantise: policy && policyWhere(policy, /^blocks\./) });
  }

  #prepared(graph: Graph): Graph {
    if (this.#switches.attention === 'plain') unfuseAttention(graph);
    if (this.#switches.fusion) fuse(graph, this.#gpu.caps);
    return graph;
  }

  #record(graph: Graph, plan?: MemoryPlan): Promise<Recording> {
    return record(graph, {
      plan,
      ...{ gpu: this.#gpu, pipelines: this.#pipelines },
      weights: (key) => this.#weights.get(key),
    });
  }

  /** The text rows of a prompt, and what its last key counts for. */
  #text(index: 0 | 1): ReturnType<typeof trimText> {
    const { textDim, textLength } = this.#plan.config;
    const values = normal(2 + index, 0, this.#plan.words[index] * textDim);
    if (this.#switches.text === 'cut') return trimText(values, textDim, textLength);
    const padded = new Float32Array(textLength * textDim);
    padded.set(values);
    return { values: padded, rows: textLength, lastKeyBias: 0 };
  }

  #contextIn(graph: Graph, index: 0 | 1): readonly BlockContext[] {
    const { config } = this.#plan;
    const { values, rows } = this.#text(index);
    const text = graph.constant(`text ${index}`, values, [rows, config.textDim], graph.compute);
    return wanContext(config)(new Scope(graph))({ text });
  }

  async #recordContexts(): Promise<void> {
    for (const index of [0, 1] as const) {
      const graph = this.#graph();
      keepContext(graph, this.#contextIn(graph, index));
      this.#prepared(graph);
      await this.#weights.load(graph);
      this.#contexts.push(await this.#record(graph));
    }
  }

  #stepGraph(): Graph {
    const { config, grid } = this.#plan;
    const graph = this.#graph();
    const { step, coefficients, ...tensors } = this.#state.in(graph);
    const { timesteps } = this.#sampler;
    const rows = timesteps.flatMap((t) => [...timestepSinusoid(t, config.freqDim)]);
    const table = graph.constant('timesteps', rows, [timesteps.length, 1, config.freqDim]);
    const time = tableRow(table, step);
    const network = wanTransformer(config)(new Scope(graph));
    const velocities = ([0, 1] as const).map((index): Tensor => {
      const held = this.#contexts[index];
      const context = held
        ? borrowContext(graph, config, (name) => held.result(name))
        : this.#contextIn(graph, index);
      const { lastKeyBias } = this.#text(index);
      const rowsPerGroup = grid[0] * grid[1] * grid[2];
      return network({ latents: [tensors.x], time, rowsPerGroup, context, lastKeyBias });
    });
    const [guided, unguided] = velocities;
    if (!guided || !unguided) throw new Error('two velocities are made');
    graph.result('guided', guided);
    graph.result('unguided', unguided);
    schedulerStep(tensors, guided, unguided, coefficients, step);
    return graph;
  }

  /** A step with the velocities that the last one left. */
  #againGraph(full: Recording): Graph {
    const graph = this.#graph();
    const { step, coefficients, ...tensors } = this.#state.in(graph);
    const [guided, unguided] = ['guided', 'unguided'].map((name) =>
      graph.external(full.result(name)),
    );
    if (!guided) throw new Error('a velocity is kept');
    schedulerStep(tensors, guided, unguided, coefficients, step);
    return graph;
  }
}
