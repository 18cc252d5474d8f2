/** NewBie-image at 1024 × 1024: 4096 patches and 256 rows of text, guided, with random weights. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { reshape } from '../../src/engine/graph/ops/layout.ts';
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
import type { NextDitConfig } from '../../src/engine/models/newbie/config.ts';
import { modulationInputs, nextDitModulation } from '../../src/engine/models/newbie/modulation.ts';
import { nextDit, nextDitCaption } from '../../src/engine/models/newbie/nextdit.ts';
import { blocksOnly } from '../../src/engine/models/newbie/policy.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { flowMatchSchedule } from '../../src/engine/sampling/flow-match.ts';
import { normal } from '../../src/engine/sampling/rng.ts';
import type { SamplerStep } from '../../src/engine/sampling/sampler.ts';
import { SamplerState } from '../../src/engine/sampling/state.ts';
import { scheduleTransport } from '../../src/engine/sampling/transport.ts';
import { RandomWeights } from '../random-weights.ts';
import { onRungDevice } from './device.ts';
import type { LadderModel, LadderRun, LadderSize, Rung, Switches } from './ladder.ts';
import { ladderPolicy } from './ladder.ts';
import { denoisingRungs, plainSwitches } from './rungs.ts';

type Plan = {
  readonly config: NextDitConfig;
  /** Latent rows and columns. */
  readonly grid: readonly [number, number];
  /** Rows of the prompt and of what is not wanted. */
  readonly words: readonly [number, number];
};

const PLANS: Readonly<Record<LadderSize, Plan>> = {
  full: {
    config: {
      ...{ patch: 2, channels: 16, width: 2304, heads: 24, kvHeads: 8, headDim: 96 },
      ...{ ffnDim: 9216, layers: 36, refinerLayers: 2, eps: 1e-5, qkEps: 1e-6, textDim: 2560 },
      ...{ pooledDim: 1024, pooledEps: 1e-6, conditionDim: 1024, freqDim: 256, theta: 10_000 },
      axes: [32, 32, 32],
      axisLengths: [1024, 512, 512],
    },
    ...{ grid: [128, 128], words: [256, 1] },
  },
  tiny: {
    config: {
      ...{ patch: 2, channels: 4, width: 24, heads: 2, kvHeads: 1, headDim: 12, ffnDim: 32 },
      ...{ layers: 2, refinerLayers: 1, eps: 1e-5, qkEps: 1e-6, textDim: 8, pooledDim: 8 },
      ...{ pooledEps: 1e-6, conditionDim: 16, freqDim: 8, theta: 10_000 },
      axes: [4, 4, 4],
      axisLengths: [16, 16, 16],
    },
    ...{ grid: [12, 12], words: [5, 1] },
  },
};

const GUIDANCE = 5;
const SHIFT = 6;

/** Rungs that this model has no lever for: its text is never padded, and what is kept of it are rows, not keys. */
const WITHOUT = ['text cut to its length', 'velocity used again'];

/** Steps of a picture, as released. */
const WHOLE = 28;

const rungs = (steps: number): readonly Rung[] =>
  denoisingRungs(steps, 0)
    .filter(({ name }) => !WITHOUT.includes(name))
    .flatMap((rung): readonly Rung[] => {
      const { change, name } = rung;
      if (change.context === 'kept') return [{ ...rung, name: 'text and modulation kept' }];
      if (change.tuned !== true && change.weights === undefined) return [rung];
      const whole = { ...change, steps: WHOLE };
      return [rung, { name: `${name}, ${WHOLE} steps`, change: whole, aside: true }];
    });

export const newbie: LadderModel = {
  name: 'newbie',
  about(size, steps) {
    const { config, grid, words } = PLANS[size];
    const tokens = (grid[0] * grid[1]) / config.patch ** 2 + words[0];
    return `NewBie-image's transformer (${config.layers} blocks of width ${config.width}) with random weights, ${tokens} tokens, ${steps} guided Euler steps; time from the encoders' rows to the clean latent.`;
  },
  base: plainSwitches,
  rungs,
  run: (entry, switches, size) => runNewbie(entry, PLANS[size], switches),
};

const runNewbie = (entry: GPU, plan: Plan, switches: Switches): Promise<LadderRun> =>
  onRungDevice(entry, switches, async ({ gpu, pipelines, meter }) => {
    const picture = new Picture(gpu, pipelines, plan, switches);
    await picture.prepare();
    meter.resetPeak();
    const start = performance.now();
    const dispatches = await picture.denoise(picture.steps.length);
    const seconds = (performance.now() - start) / 1000;
    const values = await picture.latent();
    return {
      ...{ seconds, dispatches, values, computed: picture.steps.length },
      ...{ peakBytes: meter.peakBytes, weightBytes: picture.weightBytes },
    };
  });

/** What a text does to the network in one step. */
type Branch = { readonly caption: Tensor; readonly modulation: Tensor };

class Picture {
  readonly steps: readonly SamplerStep[];
  readonly #gpu: Gpu;
  readonly #plan: Plan;
  readonly #switches: Switches;
  readonly #pipelines: PipelineCache;
  readonly #executor: Executor;
  readonly #weights: RandomWeights;
  /** Weights that a schedule needs once. */
  readonly #early: RandomWeights;
  readonly #state: SamplerState;
  readonly #noise: Float32Array;
  /** Of the prompt and of what is not wanted, where they are kept. */
  readonly #kept: Recording[] = [];
  #step: { readonly graph: Graph; readonly plan: MemoryPlan } | undefined;
  #recording: Recording | undefined;

  constructor(gpu: Gpu, pipelines: PipelineCache, plan: Plan, switches: Switches) {
    const [h, w] = plan.grid;
    const C = plan.config.channels;
    const { steps } = switches;
    const schedule = flowMatchSchedule({ steps, grid: 'linear', shift: { factor: SHIFT } });
    this.steps = scheduleTransport(schedule).steps;
    this.#gpu = gpu;
    this.#plan = plan;
    this.#switches = switches;
    this.#pipelines = pipelines;
    this.#executor = new Executor(gpu);
    this.#weights = new RandomWeights(gpu, pipelines);
    this.#early = new RandomWeights(gpu, pipelines);
    const sampler = { sigmas: [], timesteps: [], steps: this.steps };
    this.#state = new SamplerState(gpu.device, sampler, [h, w, C], () => GUIDANCE);
    this.#noise = normal(1, 0, h * w * C);
  }

  get weightBytes(): number {
    return this.#weights.bytes + this.#early.bytes;
  }

  /** Makes the weights, plans, records what is replayed, and runs a step that does not count: shaders, clocks. */
  async prepare(): Promise<void> {
    const { caps } = this.#gpu;
    if (this.#switches.context === 'kept') await this.#recordKept();
    const graph = this.#prepared(this.#stepGraph());
    await this.#weights.load(graph);
    const plan = planMemory(graph, Math.min(caps.maxBindingBytes, caps.maxBufferBytes));
    this.#step = { graph, plan };
    if (this.#switches.replay) this.#recording = await this.#record(graph, this.#weights, plan);
    await this.denoise(1);
  }

  /** Runs the first `steps` steps from noise; resolves to the dispatches of a step when the device is done. */
  async denoise(steps: number): Promise<number> {
    const step = this.#step;
    if (!step) throw new Error('prepare the picture first');
    this.#state.start(this.#noise);
    for (const recording of this.#kept) await this.#executor.replay(recording);
    let dispatches = 0;
    for (let i = 0; i < steps; i++) {
      const recording =
        this.#recording ?? (await this.#record(step.graph, this.#weights, step.plan));
      dispatches = recording.dispatches.length;
      await this.#executor.replay(recording);
      if (!this.#recording) recording.destroy();
    }
    return dispatches;
  }

  latent(): Promise<Float32Array> {
    return readTensor(this.#gpu.device, this.#state.x);
  }

  #graph(): Graph {
    const { precision } = this.#switches;
    return new Graph({ precision, quantise: blocksOnly(ladderPolicy(this.#switches)) });
  }

  #prepared(graph: Graph): Graph {
    if (this.#switches.attention === 'plain') unfuseAttention(graph);
    if (this.#switches.fusion) fuse(graph, this.#gpu.caps);
    return graph;
  }

  #record(graph: Graph, weights: RandomWeights, plan?: MemoryPlan): Promise<Recording> {
    return record(graph, {
      plan,
      ...{ gpu: this.#gpu, pipelines: this.#pipelines },
      weights: (key) => weights.get(key),
    });
  }

  #captionIn(graph: Graph, index: 0 | 1): Tensor {
    const { config, words } = this.#plan;
    const values = normal(2 + index, 0, words[index] * config.textDim);
    const text = graph.constant(`text ${index}`, values, [words[index], config.textDim]);
    return nextDitCaption(config)(new Scope(graph))(text);
  }

  #pooled(index: 0 | 1): Float32Array {
    return normal(4 + index, 0, this.#plan.config.pooledDim ?? 0);
  }

  /** Caption rows, and the modulation of all steps. */
  async #recordKept(): Promise<void> {
    const { config } = this.#plan;
    const times = this.steps.map(({ timestep }) => timestep);
    for (const index of [0, 1] as const) {
      const graph = this.#graph();
      const inputs = modulationInputs(graph, config, times, this.#pooled(index));
      const network = nextDitModulation(config)(new Scope(graph));
      graph.result('modulation', network(inputs.sinusoids, inputs.pooled));
      graph.result('caption', this.#captionIn(graph, index));
      this.#prepared(graph);
      await this.#early.load(graph);
      this.#kept.push(await this.#record(graph, this.#early));
    }
  }

  #branchIn(graph: Graph, step: Tensor, index: 0 | 1): Branch {
    const held = this.#kept[index];
    if (held) {
      const row = tableRow(graph.external(held.result('modulation')), step);
      return {
        caption: graph.external(held.result('caption')),
        modulation: reshape(row, [1, ...row.shape]),
      };
    }
    const { config } = this.#plan;
    const rows = this.steps.flatMap(({ timestep }) => [
      ...timestepSinusoid(timestep, config.freqDim),
    ]);
    const shape = [this.steps.length, 1, config.freqDim];
    const sinusoid = tableRow(graph.constant('timesteps', rows, shape), step);
    const pooled = this.#pooled(index);
    const text = graph.constant(`pooled ${index}`, pooled, [1, pooled.length]);
    return {
      caption: this.#captionIn(graph, index),
      modulation: nextDitModulation(config)(new Scope(graph))(sinusoid, text),
    };
  }

  #stepGraph(): Graph {
    const graph = this.#graph();
    const { step, coefficients, ...tensors } = this.#state.in(graph);
    const network = nextDit(this.#plan.config)(new Scope(graph));
    const [guided, unguided] = ([0, 1] as const).map((index) =>
      network({ latent: tensors.x, ...this.#branchIn(graph, step, index) }),
    );
    if (!guided || !unguided) throw new Error('two velocities are made');
    schedulerStep(tensors, guided, unguided, coefficients, step);
    return graph;
  }
}
