/**
 * Encoder and decoder of the picture autoencoders (Stable Diffusion, FLUX). Pictures are in −1 … 1.
 * Reference: diffusers, models/autoencoders/autoencoder_kl.py and vae.py.
 */
import { silu } from '../../graph/ops/elementwise.ts';
import type { Tensor } from '../../graph/graph.ts';
import { conv2d, groupNorm } from '../../nn/convolutions.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';
import type { Tap } from './blocks.ts';
import { double, halve, midBlock, resnet } from './blocks.ts';
import type { AutoencoderConfig } from './config.ts';

type Level = Module<(x: Tensor, tap?: Tap) => Tensor>;

/** Resnets, the last of them wide enough for the level, then half the resolution unless it is the last. */
const downBlock = (ins: number, out: number, count: number, groups: number, last: boolean): Level =>
  block(
    {
      resnets: list(count, (i) => resnet(i === 0 ? ins : out, out, groups)),
      'downsamplers.0': last ? absent : halve(out),
    },
    (m, x: Tensor) => {
      const h = m.resnets.reduce((y, run) => run(y), x);
      return m['downsamplers.0']?.(h) ?? h;
    },
  );

/** Resnets, one more than the encoder has, then twice the resolution unless it is the last. */
const upBlock = (ins: number, out: number, count: number, groups: number, last: boolean): Level =>
  block(
    {
      resnets: list(count, (i) => resnet(i === 0 ? ins : out, out, groups)),
      'upsamplers.0': last ? absent : double(out),
    },
    (m, x: Tensor, tap?: Tap) => {
      const h = m.resnets.reduce((y, run, i) => {
        const next = run(y);
        tap?.(`resnets.${i}`, next);
        return next;
      }, x);
      return m['upsamplers.0']?.(h) ?? h;
    },
  );

const pointwise = (channels: number): Module<Layer> =>
  linear({ in: channels, out: channels, stored: [channels, channels, 1, 1], dtype: 'f32' });

const under = (tap: Tap | undefined, name: string): Tap | undefined =>
  tap && ((inner, x) => tap(`${name}.${inner}`, x));

/** Picture [T, H, W, 3] -> mean and log variance of the latent [T, H/8, W/8, 2 · latentChannels]. */
export const autoencoderEncoder = (
  config: AutoencoderConfig,
): Module<(x: Tensor, tap?: Tap) => Tensor> => {
  const { channels, groups, layersPerBlock, latentChannels } = config;
  const [first = 1] = channels;
  const widest = channels.at(-1) ?? 1;
  return block(
    {
      'encoder.conv_in': conv2d({ in: config.inChannels, out: first, kernel: 3, dtype: 'f32' }),
      'encoder.down_blocks': list(channels.length, (i) =>
        downBlock(
          channels[Math.max(0, i - 1)] ?? first,
          channels[i] ?? first,
          layersPerBlock,
          groups,
          i === channels.length - 1,
        ),
      ),
      'encoder.mid_block': midBlock(widest, groups, config.midAttention),
      'encoder.conv_norm_out': groupNorm({ channels: widest, groups, eps: 1e-6 }),
      'encoder.conv_out': conv2d({ in: widest, out: 2 * latentChannels, kernel: 3, dtype: 'f32' }),
      quant_conv: config.quantConv ? pointwise(2 * latentChannels) : absent,
    },
    (m, picture: Tensor, tap?: Tap) => {
      let h = m['encoder.conv_in'](picture);
      tap?.('encoder.conv_in', h);
      m['encoder.down_blocks'].forEach((run, i) => {
        h = run(h);
        tap?.(`encoder.down_blocks.${i}`, h);
      });
      h = m['encoder.mid_block'](h, under(tap, 'encoder'));
      tap?.('encoder.mid_block', h);
      h = m['encoder.conv_norm_out'](h);
      tap?.('encoder.conv_norm_out', h);
      const raw = m['encoder.conv_out'](silu(h));
      tap?.('encoder.conv_out', raw);
      const moments = m.quant_conv?.(raw) ?? raw;
      tap?.('quant_conv', moments);
      return moments;
    },
  );
};

/** Latent [T, h, w, latentChannels], as the encoder gives it -> picture [T, 8h, 8w, 3], not clamped. */
export const autoencoderDecoder = (
  config: AutoencoderConfig,
): Module<(z: Tensor, tap?: Tap) => Tensor> => {
  const { groups, layersPerBlock, latentChannels } = config;
  const channels = [...config.channels].reverse();
  const [widest = 1] = channels;
  const finest = channels.at(-1) ?? 1;
  return block(
    {
      post_quant_conv: config.postQuantConv ? pointwise(latentChannels) : absent,
      'decoder.conv_in': conv2d({ in: latentChannels, out: widest, kernel: 3, dtype: 'f32' }),
      'decoder.mid_block': midBlock(widest, groups, config.midAttention),
      'decoder.up_blocks': list(channels.length, (i) =>
        upBlock(
          channels[Math.max(0, i - 1)] ?? widest,
          channels[i] ?? widest,
          layersPerBlock + 1,
          groups,
          i === channels.length - 1,
        ),
      ),
      'decoder.conv_norm_out': groupNorm({ channels: finest, groups, eps: 1e-6 }),
      'decoder.conv_out': conv2d({ in: finest, out: config.outChannels, kernel: 3, dtype: 'f32' }),
    },
    (m, z: Tensor, tap?: Tap) => {
      let h = m.post_quant_conv?.(z) ?? z;
      tap?.('post_quant_conv', h);
      h = m['decoder.conv_in'](h);
      tap?.('decoder.conv_in', h);
      h = m['decoder.mid_block'](h, under(tap, 'decoder'));
      tap?.('decoder.mid_block', h);
      m['decoder.up_blocks'].forEach((run, i) => {
        h = run(h, under(tap, `decoder.up_blocks.${i}`));
        tap?.(`decoder.up_blocks.${i}`, h);
      });
      h = m['decoder.conv_norm_out'](h);
      tap?.('decoder.conv_norm_out', h);
      return m['decoder.conv_out'](silu(h));
    },
  );
};
