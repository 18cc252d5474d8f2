/** DynamiCrafter and I2VGen-XL with random weights, in their released sizes and in one that a processor finishes. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import type { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { DynamiCrafterSource } from '../../src/engine/models/dynamicrafter/see.ts';
import { TEXT_TOWER } from '../../src/engine/models/dynamicrafter/see.ts';
import { variantParams } from '../../src/engine/models/dynamicrafter/variants.ts';
import type { I2vgenComponent, I2vgenSource } from '../../src/engine/models/i2vgenxl/pipeline.ts';
import { I2VGEN_SETTINGS } from '../../src/engine/models/i2vgenxl/released.ts';
import type { ClipWeights } from '../../src/engine/models/unet3d/parts.ts';
import { normal } from '../../src/engine/sampling/rng.ts';
import { RandomFill } from '../random-weights.ts';

/** Weights of any network; rows of tables are made when they are asked for. */
export function randomStore(gpu: Gpu, pipelines: PipelineCache, textWidth: number): ClipWeights {
  const random = new RandomFill(gpu, pipelines);
  const rows = (first: number, count: number): Float32Array<ArrayBuffer> =>
    Float32Array.from(normal(7, first, count * textWidth), (value) => value / 50);
  return {
    info: () => {
      throw new Error('random weights are made on the device, not read');
    },
    fill: (weights, get) => random.fill(weights, get),
    has: () => false,
    read: () => Promise.resolve(rows(0, TEXT_TOWER.positions)),
    readRows: (_, first, end) => Promise.resolve(rows(1 + first, end - first)),
  };
}

const TINY_UNET = {
  ...{ model_channels: 32, num_res_blocks: 1, attention_resolutions: [1] },
  ...{ channel_mult: [1], num_head_channels: 8, temporal_length: 3 },
};

/** The parts of a released model, smaller where `tiny` says so: its CLIP rows are then given, not computed. */
export function dynamiCrafter(
  gpu: Gpu,
  pipelines: PipelineCache,
  variant: '512' | '1024',
  tiny: boolean,
): DynamiCrafterSource {
  const whole = variantParams(variant);
  const params = {
    ...whole,
    ...(tiny && {
      unet_config: {
        params: {
          ...{ in_channels: 8, out_channels: 4, context_dim: 1024, default_fs: 3 },
          ...{ image_cross_attention: true, ...TINY_UNET },
        },
      },
      first_stage_config: {
        params: {
          ddconfig: {
            ...{ z_channels: 4, in_channels: 3, out_ch: 3, ch: 32 },
            ...{ ch_mult: [1, 1], num_res_blocks: 1 },
          },
        },
      },
      image_proj_stage_config: {
        params: {
          ...{ dim: 64, depth: 1, dim_head: 8, heads: 1, num_queries: 16, embedding_dim: 1280 },
          ...{ output_dim: 1024, ff_mult: 2, video_length: 3 },
        },
      },
    }),
  };
  return { params, weights: async () => randomStore(gpu, pipelines, TEXT_TOWER.width) };
}

/** What is smaller in the size that a processor finishes. */
const TINY_I2VGEN: Readonly<Record<I2vgenComponent, Readonly<Record<string, unknown>>>> = {
  unet: {
    ...{ block_out_channels: [32, 32], layers_per_block: 1, cross_attention_dim: 32 },
    ...{ attention_head_dim: 8, norm_num_groups: 8 },
  },
  vae: { block_out_channels: [32, 32], layers_per_block: 1 },
  text_encoder: {
    ...{ hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64 },
  },
  image_encoder: {
    ...{ image_size: 28, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 },
    ...{ intermediate_size: 64, projection_dim: 32 },
  },
  scheduler: {},
};

/** Returns the settings of a part as its config.json has them. */
export const i2vgenConfig = (name: I2vgenComponent, tiny: boolean) => ({
  ...I2VGEN_SETTINGS[name],
  ...(tiny && TINY_I2VGEN[name]),
});

export function i2vgen(gpu: Gpu, pipelines: PipelineCache, tiny: boolean): I2vgenSource {
  const textWidth = tiny ? 32 : TEXT_TOWER.width;
  return {
    config: async (name) => i2vgenConfig(name, tiny),
    weights: async () => randomStore(gpu, pipelines, textWidth),
  };
}
