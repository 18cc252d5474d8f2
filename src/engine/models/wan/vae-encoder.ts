/** Encoder of the Wan autoencoders: frames -> mean and log-variance of the latents. */
import { add, silu } from '../../graph/ops/elementwise.ts';
import { avgDown } from '../../graph/ops/shuffle.ts';
import { rearrange } from '../../graph/ops/layout.ts';
import type { Tensor } from '../../graph/graph.ts';
import { causalConv, channelNorm } from '../../nn/convolutions.ts';
import type { Stream } from '../../nn/histories.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';
import type { Tap } from './vae-blocks.ts';
import { downsample, midBlock, residualBlock } from './vae-blocks.ts';
import type { VaeConfig } from './vae-config.ts';

/** One step of resolution: channels in and out, and what the down-sampling at its end halves. */
type Stage = {
  readonly cin: number;
  readonly cout: number;
  readonly space: boolean;
  readonly time: boolean;
};

function stagesOf({ base_dim, dim_mult, temperal_downsample }: VaeConfig): Stage[] {
  return dim_mult.map((multiple, i) => ({
    cin: base_dim * (dim_mult[i - 1] ?? 1),
    cout: base_dim * multiple,
    space: i < dim_mult.length - 1,
    time: temperal_downsample[i] ?? false,
  }));
}

/** Wan 2.1: residual blocks and down-samplings in one list. */
function flatStages(config: VaeConfig, stream: Stream): Module<readonly Layer[]> {
  const modules = stagesOf(config).flatMap(({ cin, cout, space, time }) => [
    ...Array.from({ length: config.num_res_blocks }, (_, j) =>
      residualBlock(stream, j === 0 ? cin : cout, cout),
    ),
    ...(space ? [downsample(stream, cout, time)] : []),
  ]);
  return (scope) => modules.map((module, i) => module(scope.child(String(i))));
}

/** Wan 2.2: a stage with a shortcut around it. */
const shortcutStage = (
  { cin, cout, space, time }: Stage,
  blocks: number,
  stream: Stream,
): Module<Layer> =>
  block(
    {
      resnets: list(blocks, (j) => residualBlock(stream, j === 0 ? cin : cout, cout)),
      downsampler: space ? downsample(stream, cout, time) : absent,
    },
    (m, x: Tensor) => {
      const h = m.resnets.reduce((y, resnet) => resnet(y), x);
      const small = m.downsampler?.(h) ?? h;
      return add(small, avgDown(x, cout, { time: time ? 2 : 1, space: space ? 2 : 1 }));
    },
  );

/** [T, H, W, in] -> [T', H / 8, W / 8, 2 z]. */
const encoder = (config: VaeConfig, stream: Stream, tap: Tap): Module<Layer> => {
  const stages = stagesOf(config);
  const { base_dim, num_res_blocks, z_dim } = config;
  const deepest = stages.at(-1)?.cout ?? base_dim;
  return block(
    {
      conv_in: causalConv(stream, { in: config.in_channels, out: base_dim, kernel: 3 }),
      down_blocks: config.is_residual
        ? (scope) =>
            stages.map((s, i) => shortcutStage(s, num_res_blocks, stream)(scope.child(String(i))))
        : flatStages(config, stream),
      mid_block: midBlock(stream, deepest, (name, x) => tap(`enc.${name}`, x)),
      norm_out: channelNorm(deepest),
      conv_out: causalConv(stream, { in: deepest, out: 2 * z_dim, kernel: 3 }),
    },
    (m, x: Tensor) => {
      let h = m.conv_in(x); // [T, H, W, base]
      tap('enc.conv_in', h);
      m.down_blocks.forEach((down, i) => {
        h = down(h);
        tap(`enc.block${i}`, h);
      });
      h = m.mid_block(h);
      tap('enc.mid', h);
      h = m.norm_out(h);
      tap('enc.norm_out', h);
      h = m.conv_out(silu(h)); // [T', H / 8, W / 8, 2 z]
      tap('enc.out', h);
      return h;
    },
  );
};

/**
 * Returns frames [T, H, W, 3] in −1..1 -> moments [T', H', W', 2 z]: means, then log-variances.
 * T is 1 for the first chunk of a stream, a multiple of the frames per latent for later ones.
 */
export const vaeEncoder = (config: VaeConfig, stream: Stream, tap: Tap): Module<Layer> =>
  block(
    {
      encoder: encoder(config, stream, tap),
      quant_conv: linear({ in: 2 * config.z_dim, out: 2 * config.z_dim }),
    },
    (m, x: Tensor) => {
      const n = config.patch_size;
      // Channel c n² + n · column + row of a patch: the column is the slower one.
      const patches = rearrange(x, 't (h p) (w q) c -> t h w (c q p)', { p: n, q: n });
      if (n > 1) tap('enc.in', patches);
      return m.quant_conv(m.encoder(patches));
    },
  );
