/**
 * The blocks of the picture autoencoders. Tensors are [T, H, W, C], frames by themselves; fields are checkpoint keys.
 * The residual stream is kept in f32 at any precision: with f16 these models give black pictures.
 * Reference: diffusers, models/resnet.py and models/attention_processor.py.
 */
import { attention } from '../../graph/ops/attention.ts';
import { add, silu } from '../../graph/ops/elementwise.ts';
import type { Tensor } from '../../graph/graph.ts';
import { pitchOf, rowsOf } from '../../gpu/tensor.ts';
import { conv2d, groupNorm } from '../../nn/convolutions.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';

const EPS = 1e-6;

/** Keeps intermediates readable under a name. */
export type Tap = (name: string, x: Tensor) => void;

/** Two normalised convolutions beside a shortcut: [T, H, W, ins] -> [T, H, W, out]. */
export const resnet = (ins: number, out: number, groups: number): Module<Layer> =>
  block(
    {
      norm1: groupNorm({ channels: ins, groups, eps: EPS }),
      conv1: conv2d({ in: ins, out, kernel: 3 }),
      norm2: groupNorm({ channels: out, groups, eps: EPS }),
      conv2: conv2d({ in: out, out, kernel: 3 }),
      conv_shortcut:
        ins === out ? absent : linear({ in: ins, out, stored: [out, ins, 1, 1], dtype: 'f32' }),
    },
    (m, x: Tensor) => {
      const h = m.conv1(silu(m.norm1(x)));
      return add(m.conv2(silu(m.norm2(h))), m.conv_shortcut?.(x) ?? x);
    },
  );

/** Attention between the pixels of each frame, one head as wide as the channels. */
const pixelAttention = (channels: number, groups: number): Module<Layer> => {
  const project = linear({ in: channels, out: channels });
  return block(
    {
      group_norm: groupNorm({ channels, groups, eps: EPS }),
      to_q: project,
      to_k: project,
      to_v: project,
      'to_out.0': project,
    },
    (m, x: Tensor) => {
      const h = m.group_norm(x);
      const [q, k, v] = [padded(m.to_q(h)), padded(m.to_k(h)), padded(m.to_v(h))];
      const scale = 1 / Math.sqrt(channels);
      const seen = attention(q, k, v, { heads: 1, scale, groups: x.shape[0] ?? 1 });
      return add(m['to_out.0'](seen.graph.part(seen, 0, x.shape)), x);
    },
  );
};

/** The same rows with their padding, zeros, seen as channels: heads are a multiple of four wide. */
const padded = (x: Tensor): Tensor => x.graph.part(x, 0, [rowsOf(x.shape), pitchOf(x.shape)]);

/** Resnet, attention, resnet. */
export const midBlock = (
  channels: number,
  groups: number,
  withAttention: boolean,
): Module<(x: Tensor, tap?: Tap) => Tensor> =>
  block(
    {
      attentions: list(withAttention ? 1 : 0, () => pixelAttention(channels, groups)),
      resnets: list(2, () => resnet(channels, channels, groups)),
    },
    (m, x: Tensor, tap?: Tap) => {
      const [before, after] = m.resnets;
      let h = before?.(x) ?? x;
      tap?.('mid_block.resnets.0', h);
      h = m.attentions[0]?.(h) ?? h;
      tap?.('mid_block.attention', h);
      return after?.(h) ?? h;
    },
  );

/** Halves rows and columns, with zeros below and to the right alone. */
export const halve = (channels: number): Module<Layer> =>
  block(
    {
      conv: conv2d({
        in: channels,
        out: channels,
        kernel: 3,
        stride: 2,
        pad: [0, 1],
        dtype: 'f32',
      }),
    },
    (m, x: Tensor) => m.conv(x),
  );

/** Doubles rows and columns. */
export const double = (channels: number): Module<Layer> =>
  block(
    { conv: conv2d({ in: channels, out: channels, kernel: 3, upsample: true, dtype: 'f32' }) },
    (m, x: Tensor) => m.conv(x),
  );
