/**
 * How much memory a picture that speaks will take, before anything is loaded: its stream runs against a device on
 * paper, block by block, its decoder beside it.
 */
import type { Capabilities } from '../../gpu/device.ts';
import { paperGpu } from '../../gpu/paper.ts';
import type { Precision } from '../../graph/graph.ts';
import { PaperExecutor } from '../../graph/paper-executor.ts';
import type { Work } from '../../graph/work.ts';
import { NO_WORK, sumOfWork, timesWork } from '../../graph/work.ts';
import type { Size } from '../../image/fit.ts';
import { PipelineCache } from '../../kernels/pipelines.ts';
import type { Engine } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import type { WeightsChoice } from '../../weights/policy.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import type { Config } from '../config-json.ts';
import { parseUmt5Config, umt5Encoder } from '../wan/umt5.ts';
import { pixelsPerLatent, readVaeConfig } from '../wan/vae-config.ts';
import { WanVae } from '../wan/vae.ts';
import { parseAvatarConfig } from './config.ts';
import { avatarPolicy } from './policy.ts';
import type { AvatarSettings } from './request.ts';
import { avatarSampler } from './schedule.ts';
import { AvatarStream, BLOCK_FRAMES, BLOCK_LATENTS } from './stream.ts';
import { MOTION_LATENTS } from './tokens.ts';

/** What of a request decides how much memory it takes. */
export type AvatarFootprint = Pick<
  AvatarSettings,
  'sample_steps' | 'skip_last_step' | 'infer_frames' | 'kv_cache'
> & {
  readonly video: Size;
  /** Tokens of the prompt. */
  readonly tokens: number;
  readonly weights?: WeightsChoice | undefined;
  /** Blocks to look at. */
  readonly blocks: number;
};

export type AvatarForecast = {
  /** The most bytes that live at once. */
  readonly peakBytes: number;
  /** Bytes of the largest buffer: what `maxBufferSize` has to allow. */
  readonly largestBuffer: number;
  /** Bytes that the stream holds after each block. */
  readonly blockBytes: readonly number[];
  /** Work of the last block, its decoding left out. */
  readonly blockFlops: number;
  /** Reading of the prompt, which has ended before the stream begins; none where its reader is not known. */
  readonly textPeakBytes: number;
  readonly textWork: Work;
  /** What comes before the first block: weights to load, and what is computed once. */
  readonly loadWork: Work;
  /** Returns the work of so many blocks, decoding included. */
  workOf(blocks: number): Work;
};

/**
 * Resolves to the memory and work of a stream on a device that can do what `caps` says; the encoders, which have gone
 * before it begins, are left out. Throws `weights/config`, and `gpu/limit` when a tensor is larger than the device binds.
 */
export async function forecastAvatar(
  parts: Readonly<Record<'transformer' | 'vae', Config>> & { readonly text_encoder?: Config },
  footprint: AvatarFootprint,
  precision: Precision,
  caps: Capabilities,
): Promise<AvatarForecast> {
  const gpu = paperGpu(caps);
  const counter = new PaperExecutor(gpu);
  const { weights, video } = footprint;
  const engine: Engine = {
    ...{ gpu, pipelines: new PipelineCache(gpu.device), executor: counter, precision },
    quantise: avatarPolicy(weights),
  };
  const textWork = await readText(engine, parts.text_encoder, footprint.tokens);
  const textPeakBytes = gpu.peak.total;
  const textBuffer = gpu.largest;
  gpu.restart();
  counter.runs = [];
  const config = parseAvatarConfig(parts.transformer);
  const vaeConfig = readVaeConfig(parts.vae);
  const space = pixelsPerLatent(vaeConfig);
  const size = [video.height / space, video.width / space] as const;
  const frame = size[0] * size[1] * config.inChannels;
  const stream = await AvatarStream.open(engine, SHAPES_ALONE, {
    ...{ config, size, distance: 30 },
    sampler: avatarSampler(footprint.sample_steps, footprint.skip_last_step),
    remembered: (footprint.infer_frames / BLOCK_FRAMES) * BLOCK_LATENTS,
    int8Memory: footprint.kv_cache === 'int8',
    text: new Float32Array(footprint.tokens * config.textDim).fill(1), // zeros would be padding
  });
  await stream.settle(new Float32Array(frame), new Float32Array(MOTION_LATENTS * frame));
  const vae = new WanVae(engine, SHAPES_ALONE, vaeConfig);
  const decode = vae.decodeStream();
  const loadWork = { ...sumOfWork(counter.runs), loadBytes: gpu.peak.weights };
  const blockBytes: number[] = [];
  let [blockFlops, firstWork, lastWork] = [0, NO_WORK, NO_WORK];
  for (let block = 0; block < footprint.blocks; block++) {
    counter.runs = [];
    const latents = await stream.block({
      noise: new Float32Array(BLOCK_LATENTS * frame),
      columns: new Float32Array(BLOCK_FRAMES * config.audioDim),
    });
    const denoising = sumOfWork(counter.runs);
    blockFlops = denoising.flops + denoising.attentionFlops;
    blockBytes.push(stream.bytes);
    const shape = [BLOCK_LATENTS, ...size, config.inChannels] as const;
    for await (const chunk of decode({ values: latents, shape })) void chunk;
    lastWork = { ...sumOfWork(counter.runs), pixels: BLOCK_FRAMES * video.width * video.height };
    if (block === 0) firstWork = lastWork;
  }
  const forecast = {
    ...{ blockBytes, blockFlops, textPeakBytes, textWork, loadWork },
    peakBytes: gpu.peak.total,
    largestBuffer: Math.max(textBuffer, gpu.largest),
    workOf: (blocks: number) => sumOfWork([firstWork, timesWork(lastWork, blocks - 1)]),
  };
  stream.destroy();
  vae.destroy();
  return forecast;
}

/** Resolves to the work of reading a prompt. */
async function readText(engine: Engine, config: Config | undefined, tokens: number): Promise<Work> {
  if (!config) return NO_WORK;
  const counter = new PaperExecutor(engine.gpu);
  const umt5 = parseUmt5Config(config);
  const bias = new Float32Array(umt5.heads * (2 * tokens - 1));
  const input = {
    embeddings: new Float32Array(tokens * umt5.width),
    biases: Array.from({ length: umt5.layers }, () => bias),
  };
  await runOnce({ ...engine, executor: counter }, SHAPES_ALONE, (root) => {
    root.graph.result('rows', umt5Encoder(umt5)(root)(input));
  });
  return sumOfWork(counter.runs);
}
