/**
 * How much memory a Wan video will take, stage by stage, before anything is loaded: the pipeline's own stages are built
 * and recorded against a device on paper. Two chunks of an autoencoder's stream stand for all, as all later ones reuse
 * what the second made.
 */
import type { Capabilities } from '../../gpu/device.ts';
import type { BytesByUse, PaperGpu } from '../../gpu/paper.ts';
import { paperGpu } from '../../gpu/paper.ts';
import { createTensor } from '../../gpu/tensor.ts';
import type { Precision } from '../../graph/graph.ts';
import { PaperExecutor } from '../../graph/paper-executor.ts';
import type { Work } from '../../graph/work.ts';
import { NO_WORK, sumOfWork, timesWork } from '../../graph/work.ts';
import { PipelineCache } from '../../kernels/pipelines.ts';
import type { Scope } from '../../nn/module.ts';
import type { Engine } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import { samplerFor } from '../../sampling/sampler.ts';
import { SamplerState } from '../../sampling/state.ts';
import type { WeightsChoice } from '../../weights/policy.ts';
import { policyFor } from '../../weights/policy.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import type { Config } from '../config-json.ts';
import { clipVision, parseClipConfig } from './clip-vision.ts';
import type { ComponentName } from './components.ts';
import type { WanConfig } from './config.ts';
import { parseWanConfig } from './config.ts';
import type { Conditions, Expert } from './expert.ts';
import { loadExpert } from './expert.ts';
import { MASK_CHANNELS } from './image-condition.ts';
import type { LatentSize } from './pipeline-request.ts';
import { checkRequest, END_ALONE } from './pipeline-request.ts';
import { umt5Encoder, parseUmt5Config } from './umt5.ts';
import { framesPerLatent, pixelsPerLatent, readVaeConfig } from './vae-config.ts';
import type { VaeConfig } from './vae-config.ts';
import type { VaeOptions } from './vae.ts';
import { WanVae } from './vae.ts';

/** The settings of a model's parts, as in their config.json. */
export type WanParts = Readonly<Partial<Record<ComponentName, Config>>> &
  Readonly<Record<'transformer' | 'vae' | 'text_encoder', Config>>;

/** What of a request decides how much memory it takes. */
export type WanFootprint = {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Whether each step runs twice, with and without the prompt. */
  readonly guided: boolean;
  /** Whether the video starts from a picture. */
  readonly image: boolean;
  /** Tokens of the longer of the two prompts, as far as they are known; else as many as the model reads. */
  readonly tokens?: number;
  readonly steps: number;
  /** How the autoencoder goes about it: in tiles, how many frames at a time. */
  readonly vae?: VaeOptions;
  /** Small integers for the weight matrices; none where left out. */
  readonly weights?: WeightsChoice | undefined;
  /** Whether weights are read block by block in each step, with two blocks on the device. */
  readonly stream?: boolean;
};

/** What a stage of a run takes. */
export type StageForecast = BytesByUse & {
  readonly stage: 'text' | 'picture' | 'denoise' | 'decode';
  /** The most bytes that live at once in this stage. */
  readonly peakBytes: number;
  /** Bytes of its largest buffer. */
  readonly largestBuffer: number;
  /** Work as the kernels count it; by a device's speed, seconds. */
  readonly flops: number;
  /** The same by what bounds it, weights to load and frames to read back among it. */
  readonly work: Work;
};

/** What a run takes, stage by stage. */
export type Forecast = {
  readonly stages: readonly StageForecast[];
  /** The most bytes that live at once in the whole run. */
  readonly peakBytes: number;
  /** Bytes of the largest buffer: what `maxBufferSize` has to allow. */
  readonly largestBuffer: number;
  /** Work of the whole run. */
  readonly flops: number;
};

/**
 * Resolves to the memory and the work of a run on a device that can do what `caps` says. Throws `weights/config` for settings that no
 * model has, `wan/size`, `wan/frames` and `wan/steps` for what it cannot make, `gpu/limit` when a single tensor is larger than the device binds.
 */
export async function forecastWan(
  parts: WanParts,
  footprint: WanFootprint,
  precision: Precision,
  caps: Capabilities,
): Promise<Forecast> {
  checkFootprint(parts, footprint);
  const gpu = paperGpu(caps);
  const counter = new PaperExecutor(gpu);
  const { weights } = footprint;
  const engine: Engine = {
    ...{ gpu, pipelines: new PipelineCache(gpu.device), executor: counter, precision },
    quantise: policyFor(weights),
    stream: footprint.stream,
  };
  const vaeConfig = readVaeConfig(parts.vae);
  const config = parseWanConfig(parts.transformer);
  const plan: Plan = { engine, gpu, counter, parts, footprint, config, vaeConfig };
  const stages = [await textStage(plan)];
  if (footprint.image) stages.push(await pictureStage(plan));
  stages.push(await denoiseStage(plan), await decodeStage(plan));
  return {
    stages,
    peakBytes: Math.max(...stages.map(({ peakBytes }) => peakBytes)),
    largestBuffer: Math.max(...stages.map(({ largestBuffer }) => largestBuffer)),
    flops: stages.reduce((sum, { flops }) => sum + flops, 0),
  };
}

/** Throws what a run of this size would throw: `wan/size`, `wan/frames`, `wan/steps`. */
function checkFootprint(parts: WanParts, { width, height, frames, steps }: WanFootprint): void {
  const vae = readVaeConfig(parts.vae);
  const { ph, pw } = parseWanConfig(parts.transformer).patch;
  checkRequest(
    { prompt: END_ALONE, width, height, frames, steps, shift: 1, guidance: 1 },
    {
      ...{ time: framesPerLatent(vae), space: pixelsPerLatent(vae) },
      ...{ channels: vae.z_dim, patch: Math.max(ph, pw) },
    },
  );
}

type Plan = {
  readonly engine: Engine;
  readonly gpu: PaperGpu;
  readonly counter: PaperExecutor;
  readonly parts: WanParts;
  readonly footprint: WanFootprint;
  readonly config: WanConfig;
  readonly vaeConfig: VaeConfig;
};

/** `work` resolves to that of the stage, its weights aside. */
async function measured(
  { gpu, counter }: Plan,
  stage: StageForecast['stage'],
  count: () => Promise<Work>,
): Promise<StageForecast> {
  gpu.restart();
  counter.runs = [];
  const counted = await count();
  const { total, ...uses } = gpu.peak;
  const work = { ...counted, loadBytes: uses.weights };
  const flops = work.flops + work.attentionFlops;
  return { stage, ...uses, peakBytes: total, largestBuffer: gpu.largest, flops, work };
}

const textStage = (plan: Plan): Promise<StageForecast> =>
  measured(plan, 'text', async () => {
    const { engine, counter, parts, footprint } = plan;
    const config = parseUmt5Config(parts.text_encoder);
    const { tokens = MOST_TOKENS } = footprint;
    const embeddings = new Float32Array(tokens * config.width);
    const bias = new Float32Array(config.heads * (2 * tokens - 1));
    const biases = Array.from({ length: config.layers }, () => bias);
    await runOnce(engine, SHAPES_ALONE, (root: Scope) => {
      root.graph.result('rows', umt5Encoder(config)(root)({ embeddings, biases }));
    });
    return timesWork(sumOfWork(counter.runs), 2); // the prompt, and what the video should not be
  });

/** Rows that the transformer reads. */
const MOST_TOKENS = 512;

const pictureStage = (plan: Plan): Promise<StageForecast> =>
  measured(plan, 'picture', async () => {
    const { engine, counter, parts, footprint, vaeConfig } = plan;
    if (parts.image_encoder) {
      const config = parseClipConfig(parts.image_encoder);
      const { imageSize } = config;
      const picture = new Float32Array(imageSize * imageSize * 3);
      await runOnce(engine, SHAPES_ALONE, (root: Scope) => {
        const x = root.graph.constant('picture', picture, [1, imageSize, imageSize, 3]);
        root.graph.result('rows', clipVision(config)(root)(x));
      });
    }
    const seeing = sumOfWork(counter.runs.splice(0));
    const { width, height } = footprint;
    const all = takesFirstFrame(parts, vaeConfig) ? 1 : footprint.frames;
    const frames = Math.min(all, 1 + ENCODED_FRAMES);
    const vae = new WanVae(engine, SHAPES_ALONE, vaeConfig, footprint.vae);
    await vae.encode({ shape: [frames, height, width, 3], known: new Map() });
    vae.destroy();
    return sumOfWork([seeing, workOfChunks(counter.runs, (all - 1) / ENCODED_FRAMES)]);
  });

/** Frames of an encoder's chunk after the first. */
const ENCODED_FRAMES = 4;

/** Work of a stream from that of its first two chunks, which follow each other tile by tile. */
const workOfChunks = (runs: readonly Work[], later: number): Work =>
  sumOfWork(runs.map((work, i) => (i % 2 === 0 || later < 1 ? work : timesWork(work, later))));

const denoiseStage = (plan: Plan): Promise<StageForecast> =>
  measured(plan, 'denoise', async () => {
    const { engine, gpu, counter, config, parts, footprint, vaeConfig } = plan;
    const size = latentSize(footprint, vaeConfig);
    const { guided, steps } = footprint;
    const sampler = samplerFor('unipc', 'diffusers', { steps, shift: 1 });
    const state = new SamplerState(gpu.device, sampler, [size.F, size.h, size.w, size.C]);
    const conditions = conditionsOf(plan, size);
    let step = NO_WORK;
    for (const each of [parts.transformer, parts.transformer_2]) {
      if (!each) continue;
      // The contexts of two experts are made before the first one runs, which the second one then replaces.
      const next = each === parts.transformer && parts.transformer_2 ? SHAPES_ALONE : undefined;
      const own = each === parts.transformer ? config : parseWanConfig(each);
      const expert = await loadExpert(
        engine,
        SHAPES_ALONE,
        { config: own, size, conditions, guided },
        state,
        next,
      );
      step = counter.count(expert.step);
      // Meanwhile what the step before made may be read: its estimate, and the sample where that is traced.
      const read = [state.x, state.estimate].map(({ label, shape, dtype }) =>
        createTensor(gpu.device, label, shape, dtype),
      );
      await succession(expert);
      for (const { buffer } of read) buffer.destroy();
      expert.destroy(); // the second is loaded when the first is gone
    }
    state.destroy();
    return sumOfWork([...counter.runs, { ...timesWork(step, steps), pipelines: step.pipelines }]);
  });

/** Lets the second expert take the place of the first, where it can. */
async function succession({ step, succeed, succeeded }: Expert): Promise<void> {
  await succeed?.();
  const feed = step.feed?.();
  feed?.queued(Infinity);
  await feed?.end();
  await succeeded?.();
}

const decodeStage = (plan: Plan): Promise<StageForecast> =>
  measured(plan, 'decode', async () => {
    const { engine, counter, footprint, vaeConfig } = plan;
    const { F, h, w, C } = latentSize(footprint, vaeConfig);
    const { latentsPerChunk = 1 } = footprint.vae ?? {};
    const some = Math.min(F, 1 + latentsPerChunk);
    const vae = new WanVae(engine, SHAPES_ALONE, vaeConfig, footprint.vae);
    const latents = new Float32Array(some * h * w * C);
    for await (const chunk of vae.decode({ values: latents, shape: [some, h, w, C] })) void chunk;
    vae.destroy();
    const pixels = footprint.frames * footprint.width * footprint.height;
    return { ...workOfChunks(counter.runs, (F - 1) / latentsPerChunk), pixels };
  });

function latentSize({ width, height, frames }: WanFootprint, vae: VaeConfig): LatentSize {
  const pixels = pixelsPerLatent(vae);
  const F = 1 + (frames - 1) / framesPerLatent(vae);
  return { F, h: height / pixels, w: width / pixels, C: vae.z_dim };
}

/** Whether a picture takes the place of the first latent frame, instead of standing beside all of them. */
const takesFirstFrame = (parts: WanParts, { z_dim }: VaeConfig): boolean =>
  parseWanConfig(parts.transformer).inChannels === z_dim;

function conditionsOf(
  {
    config,
    parts,
    footprint,
    vaeConfig,
  }: Pick<Plan, 'config' | 'parts' | 'footprint' | 'vaeConfig'>,
  { F, h, w, C }: LatentSize,
): Conditions {
  const { tokens = MOST_TOKENS } = footprint;
  // Rows of ones: a row of zeros would be taken for padding and left out.
  const prompt = new Float32Array(Math.min(tokens, config.textLength) * config.textDim).fill(1);
  const texts = { prompt, negativePrompt: prompt };
  if (!footprint.image) return texts;
  if (takesFirstFrame(parts, vaeConfig)) {
    return { ...texts, firstFrame: new Float32Array(h * w * C) };
  }
  const { imageDim, imagePositions } = config;
  const clip = parts.image_encoder && parseClipConfig(parts.image_encoder);
  const tokensOfPicture = clip ? 1 + (clip.imageSize / clip.patchSize) ** 2 : 0;
  return {
    ...texts,
    channels: new Float32Array(F * h * w * (MASK_CHANNELS + C)),
    ...(imageDim !== undefined && {
      imageTokens: new Float32Array((imagePositions ?? tokensOfPicture) * imageDim),
    }),
  };
}
