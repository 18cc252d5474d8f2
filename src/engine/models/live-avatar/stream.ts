/**
 * A talking portrait as an endless stream of latents, block by block: three latent frames from noise to picture in a few
 * steps, which see what the same step saw of the frames before, the reference, the past and the sound.
 */
import { EngineError } from '../../gpu/errors.ts';
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { createTensor, readTensor, writeTensor } from '../../gpu/tensor.ts';
import type { Graph, Tensor } from '../../graph/graph.ts';
import { reshape, slice } from '../../graph/ops/layout.ts';
import { schedulerStep } from '../../graph/ops/scheduler.ts';
import { tableRow } from '../../graph/ops/table.ts';
import type { Recording } from '../../graph/record.ts';
import { gridPositions, ropeTableAt, timestepSinusoid } from '../../kernels/rope.ts';
import type { Kept } from '../../nn/kept.ts';
import { computeOnce, recordGraph } from '../../nn/kept.ts';
import type { Scope } from '../../nn/module.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { Sampler } from '../../sampling/sampler.ts';
import { SamplerState } from '../../sampling/state.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { WeightSet } from '../../weights/upload.ts';
import type { BlockContext } from '../wan/context.ts';
import { borrowContext, keepContext, trimText, wanContext } from '../wan/context.ts';
import {
  COLUMNS_BEFORE,
  FRAMES_PER_LATENT,
  audioEncoder,
  withColumnsBefore,
} from './audio-encoder.ts';
import { borrowSoundKeys, keepSoundKeys, soundKeys } from './audio-injector.ts';
import type { AvatarConfig } from './config.ts';
import { AvatarMemory } from './memory.ts';
import { REFERENCE_FRAME, conditionPositions, rollingReference } from './positions.ts';
import { avatarBody, avatarHead, modulation } from './s2v.ts';
import { MOTION_LATENTS, conditionTokens, noisyTokens } from './tokens.ts';

/** Latent frames of a block. */
export const BLOCK_LATENTS = 3;
/** Video frames of a block. */
export const BLOCK_FRAMES = BLOCK_LATENTS * FRAMES_PER_LATENT;

export type StreamPlan = {
  readonly config: AvatarConfig;
  /** Rows and columns of a latent frame. */
  readonly size: readonly [H: number, W: number];
  readonly sampler: Sampler;
  /** Latent frames that are remembered, the newest block among them: a multiple of three. */
  readonly remembered: number;
  /** Frames by which the reference stays ahead once the stream comes near it, 4 … 30. */
  readonly distance: number;
  /** Rows [n, textDim] of the prompt. */
  readonly text: Float32Array;
  /** Keeps past keys and values as 8-bit integers. */
  readonly int8Memory?: boolean;
  /** Whether blocks come with a pose latent. */
  readonly posed?: boolean;
  /** Whether intermediates stay readable, for tests. */
  readonly probed?: boolean;
};

export type BlockInput = {
  /** Noise [3, H, W, C]. */
  readonly noise: Float32Array;
  /** Mixed columns of sound [12, audioDim], one for each video frame. */
  readonly columns: Float32Array;
  /** [3, H, W, poseChannels], where the plan says so. */
  readonly pose?: Float32Array;
};

export type BlockOptions = RunOptions & {
  /** Called after each step with its recording and the sample; the next step waits: for tests. */
  readonly onStep?: (recording: Recording, sample: DeviceTensor, step: number) => Promise<void>;
};

/** A stream on a device. Its memory is allocated at once; weights stay until `destroy`. */
export class AvatarStream {
  readonly memory: AvatarMemory;
  readonly #engine: Engine;
  readonly #plan: StreamPlan;
  readonly #weights: WeightSet;
  readonly #state: SamplerState;
  readonly #inputs: StreamInputs;
  readonly #steps: Kept;
  readonly #text: Kept;
  readonly #lastKeyBias: number;
  readonly #sound: Recording;
  /** The step of blocks that see so many slots; another takes its place until the rings are full. */
  #step: { readonly filled: number; readonly recording: Recording } | undefined;
  #blocks = 0;

  private constructor(parts: {
    engine: Engine;
    plan: StreamPlan;
    weights: WeightSet;
    inputs: StreamInputs;
    steps: Kept;
    text: Kept;
    lastKeyBias: number;
    sound: Recording;
  }) {
    const { config, sampler, size, remembered } = parts.plan;
    const { device } = parts.engine.gpu;
    this.#engine = parts.engine;
    this.#plan = parts.plan;
    this.#weights = parts.weights;
    this.#inputs = parts.inputs;
    this.#steps = parts.steps;
    this.#text = parts.text;
    this.#lastKeyBias = parts.lastKeyBias;
    this.#sound = parts.sound;
    this.#state = new SamplerState(device, sampler, [BLOCK_LATENTS, ...size, config.inChannels]);
    this.memory = new AvatarMemory(device, {
      ...{ layers: config.layers, heads: config.heads, width: config.width },
      steps: sampler.steps.length,
      slots: remembered / BLOCK_LATENTS,
      blockRows: BLOCK_LATENTS * rowsPerFrame(parts.plan),
      conditionRows: conditionPositions(gridOf(parts.plan), 0).length,
      dtype: parts.engine.precision,
      int8: parts.plan.int8Memory ?? false,
    });
  }

  /**
   * Resolves to a stream with its weights on the device; what is needed once, for text and timesteps, is given back.
   * Throws `avatar/memory` unless `remembered` is a multiple of three, and what loading throws.
   */
  static async open(
    engine: Engine,
    source: WeightSource,
    plan: StreamPlan,
    options: RunOptions = {},
  ): Promise<AvatarStream> {
    checkPlan(plan);
    const { lastKeyBias } = trimText(plan.text, plan.config.textDim, plan.config.textLength);
    const owned: { destroy(): void }[] = [];
    const own = <T extends { destroy(): void }>(part: T): T => (owned.push(part), part);
    try {
      const text = own(await computeOnce(engine, source, textGraph(plan), options));
      const steps = own(await computeOnce(engine, source, timeGraph(plan), options));
      const inputs = inputTensors(engine.gpu.device, plan);
      owned.push(...Object.values(inputs).map(({ buffer }) => buffer));
      const weights = own(new WeightSet(engine.gpu, source));
      const { recording } = await recordGraph(engine, weights, soundGraph(plan, inputs.columns));
      const sound = own(recording);
      return new AvatarStream({ engine, plan, weights, inputs, steps, text, lastKeyBias, sound });
    } catch (error) {
      for (const part of owned) part.destroy();
      throw error;
    }
  }

  /** Latent blocks made so far. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Bytes held on the device: weights, memory and the activations of one step. */
  get bytes(): number {
    const arenas = this.#sound.arenaBytes + (this.#step?.recording.arenaBytes ?? 0);
    return this.#weights.bytes + this.memory.bytes + this.#text.bytes + this.#steps.bytes + arenas;
  }

  /** What was heard in the last block and how it was recorded, for tests. */
  get sound(): Recording {
    return this.#sound;
  }

  /**
   * Takes in what stays: the reference latent [1, H, W, C] and the last 19 latents of the past [19, H, W, C]. Later calls
   * replace it; the rings stay as they are.
   */
  async settle(
    reference: Float32Array,
    motion: Float32Array,
    options: RunOptions = {},
  ): Promise<void> {
    const { config, size } = this.#plan;
    const { inChannels: C, headDim } = config;
    const { recording } = await recordGraph(this.#engine, this.#weights, (root) => {
      const { graph } = root;
      const tokens = conditionTokens(config)(root)(
        graph.constant('reference', reference, [1, ...size, C]),
        graph.constant('motion', motion, [MOTION_LATENTS, ...size, C]),
      );
      const places = conditionPositions(gridOf(this.#plan), REFERENCE_FRAME);
      const atZero = this.#plan.sampler.steps.length;
      avatarBody(config)(root)(tokens, {
        parts: slice(graph.external(this.#steps.get('blocks')), 0, atZero, 1),
        rowsPerGroup: places.length,
        table: graph.constant('rope', ropeTableAt(places, headDim), [places.length, headDim]),
        context: this.#context(graph),
        lastKeyBias: this.#lastKeyBias,
        recall: this.memory.storing(graph),
      });
    });
    try {
      await this.#engine.executor.replay(recording, { ...options, stage: 'picture' });
    } finally {
      recording.destroy();
    }
  }

  /** Resolves to the next latents of the stream, [3, H, W, C]. `settle` comes before the first. */
  async block(input: BlockInput, options: BlockOptions = {}): Promise<Float32Array> {
    const { config, sampler, distance } = this.#plan;
    const { device } = this.#engine.gpu;
    const first = this.#blocks * BLOCK_LATENTS;
    const { h, w } = gridOf(this.#plan);
    const places = gridPositions([BLOCK_LATENTS, h, w], first);
    const stay = conditionPositions({ h, w }, rollingReference(first, distance));
    const { columns, pose, table, stayTable } = this.#inputs;
    writeTensor(device, columns, withColumnsBefore(input.columns, config.audioDim));
    writeTensor(device, table, ropeTableAt(places, config.headDim));
    writeTensor(device, stayTable, ropeTableAt(stay, config.headDim));
    if (input.pose && this.#plan.posed) writeTensor(device, pose, input.pose);
    this.memory.moveTo(this.#blocks);
    this.#state.start(input.noise);
    const { signal } = options;
    const abort = signal && { signal };
    await this.#engine.executor.replay(this.#sound, { ...abort, stage: 'sound' });
    const recording = await this.#stepThatSees(Math.min(this.#blocks + 1, this.memory.sizes.slots));
    const count = sampler.steps.length;
    for (let step = 0; step < count; step++) {
      await this.#engine.executor.replay(recording, {
        ...{ ...abort, stage: 'denoise' },
        onProgress: (done) => options.onProgress?.((step + done) / count),
      });
      await options.onStep?.(recording, this.#state.x, step);
    }
    this.#blocks++;
    return readTensor(device, this.#state.x);
  }

  destroy(): void {
    const inputs = Object.values(this.#inputs).map(({ buffer }) => buffer);
    const recordings = [this.#sound, this.#step?.recording];
    for (const part of [
      this.#weights,
      this.#state,
      this.#steps,
      this.#text,
      this.memory,
      ...recordings,
      ...inputs,
    ])
      part?.destroy();
  }

  #context(graph: Graph): readonly BlockContext[] {
    return borrowContext(graph, this.#plan.config, (name) => this.#text.get(name));
  }

  /** The recording of a step of blocks that see `filled` slots; the last one is kept once the rings are full. */
  async #stepThatSees(filled: number): Promise<Recording> {
    if (this.#step?.filled === filled) return this.#step.recording;
    this.#step?.recording.destroy();
    this.#step = undefined;
    const { recording } = await recordGraph(this.#engine, this.#weights, (root) =>
      this.#buildStep(root, filled),
    );
    this.#step = { filled, recording };
    return recording;
  }

  #buildStep(root: Scope, filled: number): void {
    const { config, posed, probed } = this.#plan;
    const { graph } = root;
    const { step, coefficients, ...tensors } = this.#state.in(graph);
    const keep = (name: string, tensor: Tensor): void => graph.result(name, tensor);
    const at = (name: string): Tensor => {
      const row = tableRow(graph.external(this.#steps.get(name)), step);
      return reshape(row, [1, ...row.shape]);
    };
    const stayTable = graph.external(this.#inputs.stayTable);
    const { h, w } = gridOf(this.#plan);
    const rows = BLOCK_LATENTS * h * w;
    const x = noisyTokens(config)(root)(
      tensors.x,
      posed ? graph.external(this.#inputs.pose) : undefined,
    );
    const y = avatarBody(config)(root)(x, {
      parts: at('blocks'),
      rowsPerGroup: rows,
      table: graph.external(this.#inputs.table),
      context: this.#context(graph),
      lastKeyBias: this.#lastKeyBias,
      sound: { keys: borrowSoundKeys(graph, config, (name) => this.#sound.result(name)), rows },
      recall: this.memory.streaming(graph, step, filled, stayTable),
      ...(probed && { probe: keep }),
    });
    const velocity = avatarHead(config)(root)(y, at('head'), [BLOCK_LATENTS, h, w]);
    keep('velocity', velocity);
    schedulerStep(tensors, velocity, undefined, coefficients, step);
  }
}

type StreamInputs = Readonly<Record<'columns' | 'pose' | 'table' | 'stayTable', DeviceTensor>>;

function inputTensors(device: GPUDevice, plan: StreamPlan): StreamInputs {
  const { headDim, audioDim, poseChannels } = plan.config;
  const blockRows = BLOCK_LATENTS * rowsPerFrame(plan);
  const stayRows = conditionPositions(gridOf(plan), 0).length;
  const pose = plan.posed ? [BLOCK_LATENTS, ...plan.size] : [1, 1, 1];
  return {
    columns: createTensor(device, 'avatar/columns', [COLUMNS_BEFORE + BLOCK_FRAMES, audioDim]),
    pose: createTensor(device, 'avatar/pose', [...pose, poseChannels]),
    table: createTensor(device, 'avatar/rope', [blockRows, headDim]),
    stayTable: createTensor(device, 'avatar/stay rope', [stayRows, headDim]),
  };
}

/** Keys and values of the prompt, for every block. */
const textGraph =
  ({ config, text }: StreamPlan) =>
  (root: Scope): void => {
    const { values, rows } = trimText(text, config.textDim, config.textLength);
    const words = root.graph.constant('text', values, [rows, config.textDim], root.graph.compute);
    keepContext(root.graph, wanContext(config)(root)({ text: words }));
  };

/** Modulation of each step, and of timestep 0, at which the conditions stand. */
const timeGraph =
  ({ config, sampler }: StreamPlan) =>
  (root: Scope): void => {
    const times = [...sampler.timesteps, 0].map((t) => timestepSinusoid(t, config.freqDim));
    const sinusoids = Float32Array.from(times.flatMap((row) => [...row]));
    const shape = [times.length, config.freqDim];
    const parts = modulation(config)(root)(root.graph.constant('timesteps', sinusoids, shape));
    root.graph.result('blocks', parts.blocks);
    root.graph.result('head', parts.head);
  };

/** What a block hears. */
const soundGraph =
  ({ config, probed }: StreamPlan, columns: DeviceTensor) =>
  (root: Scope): void => {
    const heard = audioEncoder(config)(root)(root.graph.external(columns));
    if (probed) {
      root.graph.result('audio.0', heard.summary);
      root.graph.result('audio.1', heard.tokens);
    }
    keepSoundKeys(root.graph, soundKeys(config)(root)(heard));
  };

const gridOf = ({ size: [H, W], config: { patch } }: StreamPlan): { h: number; w: number } => ({
  h: H / patch.ph,
  w: W / patch.pw,
});

const rowsPerFrame = (plan: StreamPlan): number => {
  const { h, w } = gridOf(plan);
  return h * w;
};

function checkPlan({ remembered }: StreamPlan): void {
  if (Number.isInteger(remembered / BLOCK_LATENTS) && remembered > 0) return;
  throw new EngineError(
    'avatar/memory',
    `remembered frames — got ${remembered} latent frames, needs a multiple of ${BLOCK_LATENTS} — change infer_frames`,
    { have: remembered, need: BLOCK_LATENTS },
  );
}
