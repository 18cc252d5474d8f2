/** Whole parts of models with random weights: what the kernels make of each other in a row. */
import type { WanConfig } from '../../src/engine/models/wan/config.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../../src/engine/models/wan/vae-decoder.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import type { Operator } from './operator.ts';
import { wanOnnx } from './wan-onnx.ts';

/** Columns and rows of latent pixels, latent frames. */
export type LatentGrid = readonly [frames: number, rows: number, columns: number];

/** The transformer with as many blocks as `layers`, embedding and head included; its context stands ready. */
export function wanOperator(
  name: string,
  json: Readonly<Record<string, unknown>>,
  grid: LatentGrid,
): Operator<'latent' | 'time' | 'k' | 'v'> {
  const config = parseWanConfig({ ...json, num_layers: 1 });
  const { width, inChannels, outChannels, textLength, freqDim } = config;
  const tokens = (grid[0] * grid[1] * grid[2]) / (config.patch.ph * config.patch.pw);
  const seeded = (shape: readonly number[], seed: number) => ({ shape, fill: { seed, scale: 1 } });
  return {
    name: `${name}, ${tokens} tokens`,
    operands: {
      latent: seeded([...grid, inChannels], 11),
      time: seeded([1, freqDim], 12),
      k: seeded([textLength, width], 13),
      v: seeded([textLength, width], 14),
    },
    result: [...grid, outChannels],
    flops: blockFlops(config, tokens),
    exact: ['time', 'latent'],
    allowed: 0.1, // what sums in f16 cost a peer; the engine is held to a hundredth of it by `verify`
    onnx: wanOnnx(config, grid),
    build: (graph, { latent, time, k, v }) =>
      wanTransformer(config)(new Scope(graph))({
        latents: [latent],
        time,
        rowsPerGroup: tokens,
        context: [{ k, v, image: undefined }],
      }),
  };
}

/** Projections, attention to all tokens and to the text, feed-forward. */
const blockFlops = ({ width, ffnDim, textLength }: WanConfig, tokens: number): number =>
  2 * tokens * width * (6 * width + 2 * ffnDim) + 4 * tokens * width * (tokens + textLength);

/** One latent frame in the middle of a stream: four frames of video. */
export function vaeOperator(
  name: string,
  json: Readonly<Record<string, unknown>>,
  [rows, columns]: readonly [number, number],
  scale: number,
): Operator<'latent'> {
  const config = readVaeConfig(json);
  const { z_dim, out_channels, patch_size } = config;
  return {
    name: `${name}, ${scale * columns}×${scale * rows}`,
    operands: { latent: { shape: [1, rows, columns, z_dim], fill: { seed: 15, scale: 1 } } },
    result: [4, scale * rows, scale * columns, out_channels / patch_size ** 2],
    exact: ['latent'],
    build: (graph, { latent }, hold) => {
      const stream = {
        part: 'next',
        history: (_: unknown, key: string, shape: readonly number[]) => hold(key, shape),
      } as const;
      return vaeDecoder(config, stream, () => undefined)(new Scope(graph))(latent);
    },
  };
}

const transformer = { patch_size: [1, 2, 2], attention_head_dim: 128, freq_dim: 256 };

/** Shapes of the released models; latents_mean and latents_std matter outside the decoder alone. */
export const WAN_1_3B = {
  ...transformer,
  ...{ num_attention_heads: 12, in_channels: 16, out_channels: 16, ffn_dim: 8960 },
};
export const WAN_5B = {
  ...transformer,
  ...{ num_attention_heads: 24, in_channels: 48, out_channels: 48, ffn_dim: 14336 },
};
const flat = (z_dim: number) => ({
  z_dim,
  latents_mean: Array.from({ length: z_dim }, () => 0),
  latents_std: Array.from({ length: z_dim }, () => 1),
});
export const WAN_21_VAE = { ...flat(16), base_dim: 96, dim_mult: [1, 2, 4, 4] };
export const WAN_22_VAE = {
  ...flat(48),
  ...{ base_dim: 160, decoder_base_dim: 256, dim_mult: [1, 2, 4, 4] },
  ...{ temperal_downsample: [false, true, true], is_residual: true },
  ...{ in_channels: 12, out_channels: 12, patch_size: 2 },
};
