/** Decoder of the Wan autoencoders: latents -> frames. */
import { add, silu } from '../../graph/ops/elementwise.ts';
import { dupUp } from '../../graph/ops/shuffle.ts';
import { rearrange } from '../../graph/ops/layout.ts';
import type { Tensor } from '../../graph/graph.ts';
import { causalConv, channelNorm } from '../../nn/convolutions.ts';
import type { Stream } from '../../nn/histories.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';
import type { Tap } from './vae-blocks.ts';
import { midBlock, residualBlock, upsample } from './vae-blocks.ts';
import type { VaeConfig } from './vae-config.ts';

/** One step of resolution: channels in, inside and out, and what the up-sampling at its end doubles. */
type Stage = {
  readonly cin: number;
  readonly channels: number;
  readonly cout: number;
  readonly space: boolean;
  readonly time: boolean;
};

function stagesOf(config: VaeConfig): Stage[] {
  const { decoder_base_dim, dim_mult, temperal_downsample, is_residual } = config;
  const widths = dim_mult.toReversed().map((multiple) => decoder_base_dim * multiple);
  return widths.map((channels, i) => {
    const before = widths[Math.max(0, i - 1)] ?? channels;
    const space = i < widths.length - 1;
    return {
      cin: i > 0 && !is_residual ? Math.floor(before / 2) : before,
      channels,
      cout: is_residual || !space ? channels : Math.floor(channels / 2),
      space,
      time: temperal_downsample.toReversed()[i] ?? false,
    };
  });
}

const stage = (
  { cin, channels, cout, space, time }: Stage,
  config: VaeConfig,
  stream: Stream,
): Module<Layer> => {
  const up = space ? upsample(stream, channels, cout, time) : absent;
  const { is_residual } = config;
  return block(
    {
      resnets: list(config.num_res_blocks + 1, (j) =>
        residualBlock(stream, j === 0 ? cin : channels, channels),
      ),
      upsampler: is_residual ? up : absent,
      upsamplers: is_residual || !space ? absent : list(1, () => up),
    },
    (m, x: Tensor) => {
      const h = m.resnets.reduce((y, resnet) => resnet(y), x);
      const large = (m.upsampler ?? m.upsamplers?.[0])?.(h) ?? h;
      if (!is_residual || !space) return large;
      const skip = time && stream.part !== 'next' ? 1 : 0;
      return add(large, dupUp(x, channels, { time: time ? 2 : 1, space: 2 }, skip));
    },
  );
};

/** [T, h, w, z] -> [T', 8 h, 8 w, out]. */
const decoder = (config: VaeConfig, stream: Stream, tap: Tap): Module<Layer> => {
  const stages = stagesOf(config);
  const deepest = stages[0]?.channels ?? config.decoder_base_dim;
  const last = stages.at(-1)?.channels ?? config.decoder_base_dim;
  return block(
    {
      conv_in: causalConv(stream, { in: config.z_dim, out: deepest, kernel: 3 }),
      mid_block: midBlock(stream, deepest, (name, x) => tap(`dec.${name}`, x)),
      up_blocks: (scope) => stages.map((s, i) => stage(s, config, stream)(scope.child(String(i)))),
      norm_out: channelNorm(last),
      conv_out: causalConv(stream, { in: last, out: config.out_channels, kernel: 3 }),
    },
    (m, x: Tensor) => {
      let h = m.conv_in(x); // [T, h, w, deepest]
      tap('dec.conv_in', h);
      h = m.mid_block(h);
      tap('dec.mid', h);
      m.up_blocks.forEach((up, i) => {
        h = up(h);
        tap(`dec.block${i}`, h);
      });
      h = m.norm_out(h);
      tap('dec.norm_out', h);
      h = m.conv_out(silu(h)); // [T', 8 h, 8 w, out]
      tap('dec.out', h);
      return h;
    },
  );
};

/**
 * Returns latents [T, h, w, z] -> frames [T', H, W, 3], not clamped. T is 1 for the first chunk of a stream, which gives
 * one frame; later latent frames give `framesPerLatent` frames each.
 */
export const vaeDecoder = (config: VaeConfig, stream: Stream, tap: Tap): Module<Layer> =>
  block(
    {
      post_quant_conv: linear({ in: config.z_dim, out: config.z_dim }),
      decoder: decoder(config, stream, tap),
    },
    (m, x: Tensor) => {
      const h = m.post_quant_conv(x);
      tap('dec.in', h);
      const n = config.patch_size;
      const sizes = { p: n, q: n };
      return rearrange(m.decoder(h), 't h w (c q p) -> t (h p) (w q) c', sizes);
    },
  );
