/**
 * The blocks of the Wan autoencoders. Tensors are [T, H, W, C]; fields are checkpoint keys in checkpoint order.
 * Reference: Wan 2.1 `wan/modules/vae.py`, Wan 2.2 `wan/modules/vae2_2.py`.
 */
import { attention } from '../../graph/ops/attention.ts';
import { add, silu } from '../../graph/ops/elementwise.ts';
import { concat, rearrange, slice } from '../../graph/ops/layout.ts';
import type { Tensor } from '../../graph/graph.ts';
import { causalConv, channelNorm, conv2d, laterConv } from '../../nn/convolutions.ts';
import type { Stream } from '../../nn/histories.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';

/** Two normalised causal convolutions beside a shortcut: [T, H, W, cin] -> [T, H, W, cout]. */
export const residualBlock = (stream: Stream, cin: number, cout: number): Module<Layer> =>
  block(
    {
      norm1: channelNorm(cin),
      conv1: causalConv(stream, { in: cin, out: cout, kernel: 3 }),
      norm2: channelNorm(cout),
      conv2: causalConv(stream, { in: cout, out: cout, kernel: 3 }),
      conv_shortcut: cin === cout ? absent : linear({ in: cin, out: cout }),
    },
    (m, x: Tensor) => {
      const shortcut = m.conv_shortcut?.(x) ?? x; // [T, H, W, cout]
      const h = m.conv1(silu(m.norm1(x)));
      return m.conv2(silu(m.norm2(h)), shortcut);
    },
  );

/** Attention between the pixels of each frame, one head as wide as the channels. */
const attentionBlock = (channels: number): Module<Layer> =>
  block(
    {
      norm: channelNorm(channels),
      to_qkv: linear({ in: channels, out: 3 * channels }),
      proj: linear({ in: channels, out: channels }),
    },
    (m, x: Tensor) => {
      const qkv = m.to_qkv(m.norm(x)); // [T, H, W, 3 C]
      const mixed = Array.from({ length: x.shape[0] ?? 1 }, (_, t) => {
        const frame = slice(qkv, 0, t, 1);
        const part = (i: number): Tensor => slice(frame, 3, i * channels, channels);
        return attention(part(0), part(1), part(2), { heads: 1 }); // [1, H, W, C]
      });
      return add(x, m.proj(concat(mixed, 0)));
    },
  );

/** Keeps intermediates readable under a name. */
export type Tap = (name: string, x: Tensor) => void;

/** Residual block, attention, residual block. */
export const midBlock = (stream: Stream, channels: number, tap: Tap): Module<Layer> =>
  block(
    {
      attentions: list(1, () => attentionBlock(channels)),
      resnets: list(2, () => residualBlock(stream, channels, channels)),
    },
    (m, x: Tensor) => {
      const [before, after] = m.resnets;
      let h = before?.(x) ?? x;
      h = m.attentions[0]?.(h) ?? h;
      tap('mid_attn', h);
      return after?.(h) ?? h;
    },
  );

/** Halves rows and columns, and frames too when `time`: [T, H, W, C] -> [T or T/2, H/2, W/2, C]. */
export const downsample = (stream: Stream, channels: number, time: boolean): Module<Layer> =>
  block(
    {
      'resample.1': conv2d({ in: channels, out: channels, kernel: 3, stride: 2, pad: [0, 1] }),
      time_conv: time
        ? laterConv(stream, {
            ...{ in: channels, out: channels, kernel: 3, stride: 2 },
            ...{ frames: 1, atFirst: 'seen' },
          })
        : absent,
    },
    (m, x: Tensor) => {
      const h = m['resample.1'](x); // [T, H/2, W/2, C]
      return m.time_conv?.(h) ?? h;
    },
  );

/** Doubles rows and columns, and frames too when `time`: [T, H, W, C] -> [T or 2T, 2H, 2W, cout]. */
export const upsample = (
  stream: Stream,
  channels: number,
  cout: number,
  time: boolean,
): Module<Layer> =>
  block(
    {
      'resample.1': conv2d({ in: channels, out: cout, kernel: 3, upsample: true }),
      time_conv: time
        ? laterConv(stream, {
            ...{ in: channels, out: 2 * channels, kernel: 3, stride: 1 },
            ...{ frames: 2, atFirst: 'unseen' },
          })
        : absent,
    },
    (m, x: Tensor) => {
      const pairs = m.time_conv?.(x); // [T, H, W, 2 C]: two frames side by side in the channels
      const frames = pairs ? rearrange(pairs, 't h w (a c) -> (t a) h w c', { a: 2 }) : x;
      return m['resample.1'](frames);
    },
  );
