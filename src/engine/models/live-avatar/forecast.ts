/**
 * How much memory a picture that speaks will take, before anything is loaded: its stream runs against a device on
 * paper, block by block, its decoder beside it.
 */
import type { Capabilities } from '../../gpu/device.ts';
import type { IntegerType } from '../../gpu/integers.ts';
import { paperGpu } from '../../gpu/paper.ts';
import type { Precision } from '../../graph/graph.ts';
import type { Recording } from '../../graph/record.ts';
import { Executor } from '../../graph/replay.ts';
import type { Size } from '../../image/fit.ts';
import { PipelineCache } from '../../kernels/pipelines.ts';
import type { Engine } from '../../nn/run-once.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import type { Config } from '../wan/components.ts';
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
  readonly weights?: IntegerType | undefined;
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
};

/** Runs nothing and adds up the work that there would be. */
class Counter extends Executor {
  flops = 0;

  override async replay({ dispatches }: Recording): Promise<void> {
    this.flops += dispatches.reduce((sum, { flops }) => sum + flops, 0);
  }
}

/**
 * Resolves to the memory and work of a stream on a device that can do what `caps` says; the encoders, which have gone
 * before it begins, are left out. Throws `weights/config`, and `gpu/limit` when a tensor is larger than the device binds.
 */
export async function forecastAvatar(
  parts: Readonly<Record<'transformer' | 'vae', Config>>,
  footprint: AvatarFootprint,
  precision: Precision,
  caps: Capabilities,
): Promise<AvatarForecast> {
  const gpu = paperGpu(caps);
  const counter = new Counter(gpu);
  const { weights, video } = footprint;
  const engine: Engine = {
    ...{ gpu, pipelines: new PipelineCache(gpu.device), executor: counter, precision },
    quantise: weights && avatarPolicy(weights),
  };
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
  const blockBytes: number[] = [];
  let blockFlops = 0;
  for (let block = 0; block < footprint.blocks; block++) {
    counter.flops = 0;
    const latents = await stream.block({
      noise: new Float32Array(BLOCK_LATENTS * frame),
      columns: new Float32Array(BLOCK_FRAMES * config.audioDim),
    });
    blockFlops = counter.flops;
    blockBytes.push(stream.bytes);
    const shape = [BLOCK_LATENTS, ...size, config.inChannels] as const;
    for await (const chunk of decode({ values: latents, shape })) void chunk;
  }
  const forecast = {
    ...{ blockBytes, blockFlops },
    peakBytes: gpu.peak.total,
    largestBuffer: gpu.largest,
  };
  stream.destroy();
  vae.destroy();
  return forecast;
}
