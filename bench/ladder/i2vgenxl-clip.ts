/** A guided clip of I2VGen-XL with random weights under the ladder's switches: prompt and picture to frames. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { unfuseAttention } from '../../src/engine/graph/passes/plain-attention.ts';
import type { MemoryPlan } from '../../src/engine/graph/plan.ts';
import { planMemory } from '../../src/engine/graph/plan.ts';
import type { Recording } from '../../src/engine/graph/record.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import {
  parseAutoencoderConfig,
  pixelsPerLatent,
} from '../../src/engine/models/autoencoder-kl/config.ts';
import { decodeFrames, encodePictures } from '../../src/engine/models/autoencoder-kl/frames.ts';
import { i2vgenConditions } from '../../src/engine/models/i2vgenxl/conditions.ts';
import { parseI2vgenConfig } from '../../src/engine/models/i2vgenxl/config.ts';
import { encodePrompts, encodeSeen } from '../../src/engine/models/openclip/encode.ts';
import { parseTextConfig } from '../../src/engine/models/openclip/text.ts';
import { parseVisionConfig } from '../../src/engine/models/openclip/vision.ts';
import { parseDdimConfig } from '../../src/engine/models/i2vgenxl/ddim-config.ts';
import type { Kept } from '../../src/engine/models/unet3d/denoise.ts';
import { keepCondition, newGraph, stepGraph } from '../../src/engine/models/unet3d/denoise.ts';
import { clipPolicy } from '../../src/engine/models/unet3d/policy.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { leaseWeights } from '../../src/engine/nn/run-once.ts';
import { ddimSampler } from '../../src/engine/sampling/ddim.ts';
import { DdimState } from '../../src/engine/sampling/ddim-state.ts';
import { normal } from '../../src/engine/sampling/rng.ts';
import { WeightKeeper } from '../../src/engine/weights/keeper.ts';
import { i2vgenConfig, randomStore } from '../clips/models.ts';
import { onRungDevice } from './device.ts';
import type { LadderRun, Switches } from './ladder.ts';
import { ladderPolicy } from './ladder.ts';

export type I2vgenPlan = {
  readonly tiny: boolean;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
};

const GUIDANCE = 9;
const TEXT_TOKENS = 77;

/** Resolves to what one clip took. Opens a device of its own, which is gone afterwards. */
export const runI2vgen = (entry: GPU, plan: I2vgenPlan, switches: Switches): Promise<LadderRun> =>
  onRungDevice(entry, switches, async ({ gpu, pipelines, meter }) => {
    const clips = new Clips(gpu, pipelines, plan, switches);
    await clips.make(1);
    meter.resetPeak();
    const { onceMs, stepMs, dispatches, values } = await clips.make(
      switches.timed ?? switches.steps,
    );
    return {
      seconds: (onceMs + switches.steps * stepMs) / 1000,
      ...{ dispatches, values, computed: switches.steps },
      ...{ peakBytes: meter.peakBytes, weightBytes: clips.weightBytes },
    };
  });

type ClipTimes = {
  /** All but the steps. */
  readonly onceMs: number;
  readonly stepMs: number;
  readonly dispatches: number;
  readonly values: Float32Array;
};

/** What a step needs: bound once, or anew in each. */
type Step = {
  readonly contexts: readonly Recording[];
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  readonly recording: Recording | undefined;
  readonly weights: ReturnType<typeof leaseWeights>;
};

class Clips {
  readonly #plan: I2vgenPlan;
  readonly #switches: Switches;
  readonly #engine: Engine;
  readonly #stores: Readonly<
    Record<'words' | 'eyes' | 'coder' | 'unet', ReturnType<typeof randomStore>>
  >;
  readonly #state: DdimState;
  readonly #shape: readonly [F: number, h: number, w: number, C: number];
  readonly #sampler: ReturnType<typeof ddimSampler>;
  #held: Step | undefined;

  constructor(gpu: Gpu, pipelines: PipelineCache, plan: I2vgenPlan, switches: Switches) {
    this.#plan = plan;
    this.#switches = switches;
    this.#engine = {
      ...{ gpu, pipelines, executor: new Executor(gpu), precision: switches.precision },
      quantise: clipPolicy(ladderPolicy(switches)),
      keeper: new WeightKeeper(gpu, switches.resident ? Infinity : 0),
    };
    const text = parseTextConfig(i2vgenConfig('text_encoder', plan.tiny));
    const store = () => {
      const made = randomStore(gpu, pipelines, text.width);
      return switches.resident ? made : copied(gpu, made);
    };
    this.#stores = { words: store(), eyes: store(), coder: store(), unet: store() };
    const vae = parseAutoencoderConfig(i2vgenConfig('vae', plan.tiny));
    const side = pixelsPerLatent(vae);
    this.#shape = [plan.frames, plan.height / side, plan.width / side, vae.latentChannels];
    const ddim = parseDdimConfig(i2vgenConfig('scheduler', plan.tiny));
    this.#sampler = ddimSampler(ddim, { steps: switches.steps, eta: 0 });
    this.#state = new DdimState(gpu.device, this.#sampler, this.#shape, { scale: GUIDANCE });
  }

  get weightBytes(): number {
    return this.#engine.keeper?.bytes ?? 0;
  }

  /** Makes a clip of which `count` steps are run. */
  async make(count: number): Promise<ClipTimes> {
    const start = performance.now();
    const see = await this.#see();
    const step = this.#held ?? (await this.#prepare(see));
    if (this.#switches.resident) this.#held = step;
    const { device } = this.#engine.gpu;
    const noise = normal(
      1,
      0,
      this.#shape.reduce((a, b) => a * b, 1),
    );
    this.#state.start(noise);
    await this.#replay(step.contexts);
    const ready = performance.now();
    let dispatches = 0;
    for (let i = 0; i < count; i++) {
      if (this.#switches.context === 'each step' && i > 0) await this.#replay(step.contexts);
      const recording = step.recording ?? (await this.#record(step.graph, step.weights, step.plan));
      dispatches = recording.dispatches.length;
      await this.#replay([recording]);
      if (recording !== step.recording) recording.destroy();
    }
    const stepped = performance.now();
    const values = await readTensor(device, this.#state.x);
    if (!this.#held) this.#free(step);
    const vae = parseAutoencoderConfig(i2vgenConfig('vae', this.#plan.tiny));
    const latent = { values, shape: this.#shape };
    let sum = 0;
    for await (const { data } of decodeFrames(this.#engine, this.#stores.coder, vae, latent))
      sum += data[0] ?? NaN;
    if (!Number.isFinite(sum)) throw new Error('frames are no numbers');
    const onceMs = ready - start + performance.now() - stepped;
    return { onceMs, stepMs: (stepped - ready) / count, dispatches, values };
  }

  /** Prompt and picture through their networks. */
  async #see(): Promise<{ text: Float32Array; picture: Float32Array; z: Float32Array }> {
    const { tiny, width, height } = this.#plan;
    const { words, eyes, coder } = this.#stores;
    const config = parseTextConfig(i2vgenConfig('text_encoder', tiny));
    const tokens = Array.from({ length: TEXT_TOKENS }, (_, i) => 1000 + i);
    const [text = new Float32Array()] = await encodePrompts(this.#engine, words, config, [
      tokens,
      tokens.toReversed(),
    ]);
    const vision = parseVisionConfig(i2vgenConfig('image_encoder', tiny));
    const side = vision.imageSize;
    const square = raster(side, side);
    const picture = await encodeSeen(this.#engine, eyes, vision, square, { embed: true });
    const vae = parseAutoencoderConfig(i2vgenConfig('vae', tiny));
    const [posterior] = await encodePictures(this.#engine, coder, vae, [raster(width, height)]);
    const [, h, w, C] = this.#shape;
    const z = posterior?.sample(normal(2, 0, h * w * C)) ?? new Float32Array();
    return { text, picture, z: z.map((value) => value * vae.scale) };
  }

  async #prepare(see: {
    text: Float32Array;
    picture: Float32Array;
    z: Float32Array;
  }): Promise<Step> {
    const config = parseI2vgenConfig(i2vgenConfig('unet', this.#plan.tiny));
    const weights = leaseWeights(this.#engine, this.#stores.unet);
    const latents = new Float32Array(this.#plan.frames * see.z.length);
    latents.set(see.z);
    const kept = new Map<'conditional' | 'unconditional', Kept>();
    for (const role of ['conditional', 'unconditional'] as const) {
      const graph = newGraph(this.#engine);
      const given = role === 'conditional';
      const text = given ? see.text : new Float32Array(see.text.length);
      const seen = given ? see.picture : new Float32Array(see.picture.length);
      const perFrame = keepCondition(graph, config, (root) => {
        const rows = [text.length / config.contextDim, config.contextDim];
        const { context, channels } = i2vgenConditions(config)(root)({
          text: graph.constant('text', text, rows, graph.compute),
          picture: graph.constant('picture', seen, [1, config.contextDim], graph.compute),
          latents: graph.constant('latents', latents, this.#shape),
        });
        return { text: context, channels };
      });
      await this.#load(graph, weights);
      kept.set(role, { recording: await this.#record(graph, weights), perFrame });
    }
    const guidance = { scale: GUIDANCE };
    const about = { config, sampler: this.#sampler, rate: 16, guidance };
    const graph = stepGraph(this.#engine, about, kept, this.#state);
    await this.#load(graph, weights);
    const { caps } = this.#engine.gpu;
    const plan = planMemory(graph, Math.min(caps.maxBindingBytes, caps.maxBufferBytes));
    const recording = this.#switches.replay ? await this.#record(graph, weights, plan) : undefined;
    const contexts = [...kept.values()].map((each) => each.recording);
    return { contexts, graph, plan, recording, weights };
  }

  async #load(graph: Graph, weights: Step['weights']): Promise<void> {
    if (this.#switches.attention === 'plain') unfuseAttention(graph);
    if (this.#switches.fusion) fuse(graph, this.#engine.gpu.caps);
    await weights.load(graph);
  }

  #record(graph: Graph, weights: Step['weights'], plan?: MemoryPlan): Promise<Recording> {
    const { gpu, pipelines } = this.#engine;
    return record(graph, { gpu, pipelines, plan, weights: (key) => weights.get(key) });
  }

  async #replay(recordings: readonly Recording[]): Promise<void> {
    for (const recording of recordings) await this.#engine.executor.replay(recording);
  }

  #free({ contexts, recording, weights }: Step): void {
    for (const each of [...contexts, recording]) each?.destroy();
    weights.release();
  }
}

const raster = (width: number, height: number) => ({
  ...{ width, height, channels: 3 },
  data: Float32Array.from({ length: 3 * width * height }, (_, i) => Math.sin(i / 977)),
});

/** Bytes that are copied at once. */
const PIECE_BYTES = 16 * 2 ** 20;

/** The same weights, over which as many bytes are copied from memory first: what bringing a model costs when nothing is read. */
function copied(
  { device }: Gpu,
  store: ReturnType<typeof randomStore>,
): ReturnType<typeof randomStore> {
  const bytes = new Uint8Array(PIECE_BYTES);
  return {
    ...store,
    fill: async (weights, get) => {
      for (const buffer of new Set([...weights.keys()].map((key) => get(key).buffer))) {
        for (let at = 0; at < buffer.size; at += PIECE_BYTES) {
          const size = Math.min(PIECE_BYTES, buffer.size - at);
          device.queue.writeBuffer(buffer, at, bytes, 0, size);
        }
        await device.queue.onSubmittedWorkDone();
      }
      await store.fill?.(weights, get);
    },
  };
}
