/** The transformers of 3-D UNets: between the pixels of a frame, and along the frames of a pixel. */
import type { Tensor } from '../../graph/graph.ts';
import { attention } from '../../graph/ops/attention.ts';
import { add, geluErf, mul } from '../../graph/ops/elementwise.ts';
import { frameAttention } from '../../graph/ops/frame-attention.ts';
import { concat, slice } from '../../graph/ops/layout.ts';
import { bytesOf, rowsOf } from '../../gpu/tensor.ts';
import { groupNorm } from '../../nn/convolutions.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block } from '../../nn/module.ts';
import type { CrossKeys } from './context.ts';

/** Called with intermediates, for tests. */
export type Probe = (name: string, tensor: Tensor) => void;

const EPS = 1e-6;

/** Most bytes that a feed-forward layer holds between its two products: what every device binds. */
const MOST_HIDDEN_BYTES = 2 ** 27;

/** Runs `layer` on equal runs of rows of x, few enough that rows of `width` values stay below the bound. */
function inPieces(x: Tensor, width: number, layer: Layer): Tensor {
  const rows = rowsOf(x.shape);
  const flat = x.graph.alias(x, [rows, x.shape.at(-1) ?? 1]);
  const rowBytes = bytesOf([1, width], x.graph.compute);
  const step = Math.max(1, Math.floor(MOST_HIDDEN_BYTES / rowBytes));
  if (rows <= step) return layer(x);
  const parts = Array.from({ length: Math.ceil(rows / step) }, (_, i) =>
    layer(slice(flat, 0, i * step, Math.min(step, rows - i * step))),
  );
  return x.graph.alias(concat(parts, 0), x.shape);
}

/** Gated feed-forward: a · gelu(g), a and g the halves of one product. */
const feedForward = (channels: number): Module<Layer> => {
  const hidden = 4 * channels;
  return block(
    {
      'net.0.proj.value': linear({ in: channels, out: hidden }),
      'net.0.proj.gate': linear({ in: channels, out: hidden }),
      'net.2': linear({ in: hidden, out: channels }),
    },
    (m, x: Tensor) =>
      inPieces(x, hidden, (rows) => {
        const value = m['net.0.proj.value'](rows);
        return m['net.2'](mul(geluErf(m['net.0.proj.gate'](rows)), value));
      }),
  );
};

type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

const selfAttention = (channels: number, attend: Attend): Module<Layer> => {
  const project = linear({ in: channels, out: channels, bias: false });
  return block(
    {
      ...{ to_q: project, to_k: project, to_v: project },
      'to_out.0': linear({ in: channels, out: channels }),
    },
    (m, x: Tensor) => m['to_out.0'](attend(m.to_q(x), m.to_k(x), m.to_v(x))),
  );
};

/** Attention to text, and to image tokens with a softmax of their own; the same queries for both. */
const crossAttention = (
  channels: number,
  heads: number,
): Module<(x: Tensor, keys: CrossKeys) => Tensor> =>
  block(
    {
      to_q: linear({ in: channels, out: channels, bias: false }),
      'to_out.0': linear({ in: channels, out: channels }),
    },
    (m, x: Tensor, { text, image }: CrossKeys) => {
      const q = m.to_q(x);
      const words = attention(q, text.k, text.v, { heads });
      if (!image) return m['to_out.0'](words);
      const groups = image.perFrame ? (x.shape[0] ?? 1) : 1;
      return m['to_out.0'](add(words, attention(q, image.k, image.v, { heads, groups })));
    },
  );

const norm = (channels: number) => layerNorm({ channels, eps: 1e-5, affine: true });

/** Attention twice and a feed-forward layer; what each adds to the residual stream is given to `probe`. */
const transformerBlock = <Keys>(
  channels: number,
  attn1: Module<Layer>,
  attn2: Module<(x: Tensor, keys: Keys) => Tensor>,
): Module<(x: Tensor, keys: Keys, probe?: Probe) => Tensor> =>
  block(
    {
      ...{ norm1: norm(channels), attn1 },
      ...{ norm2: norm(channels), attn2 },
      ...{ norm3: norm(channels), ff: feedForward(channels) },
    },
    (m, x: Tensor, keys: Keys, probe?: Probe) => {
      const onto = (h: Tensor, name: string, branch: Tensor): Tensor => {
        probe?.(`transformer_blocks.0.${name}`, branch);
        return add(h, branch);
      };
      let h = onto(x, 'attn1', m.attn1(m.norm1(x)));
      h = onto(h, 'attn2', m.attn2(m.norm2(h), keys));
      return onto(h, 'ff', m.ff(m.norm3(h)));
    },
  );

/** x [F, H, W, C] and the keys of this place -> [F, H, W, C]; pixels see their own frame. */
export const spatialTransformer = (
  groups: number,
  channels: number,
  headWidth: number,
): Module<(x: Tensor, keys: CrossKeys, probe?: Probe) => Tensor> => {
  const heads = channels / headWidth;
  const attend: Attend = (q, k, v) => attention(q, k, v, { heads, groups: q.shape[0] ?? 1 });
  return block(
    {
      norm: groupNorm({ channels, groups, eps: EPS }),
      proj_in: linear({ in: channels, out: channels }),
      'transformer_blocks.0': transformerBlock(
        channels,
        selfAttention(channels, attend),
        crossAttention(channels, heads),
      ),
      proj_out: linear({ in: channels, out: channels }),
    },
    (m, x: Tensor, keys: CrossKeys, probe?: Probe) => {
      const normed = m.norm(x);
      probe?.('norm', normed);
      const entered = m.proj_in(normed);
      probe?.('proj_in', entered);
      const h = m['transformer_blocks.0'](entered, keys, probe);
      return add(x, m.proj_out(h));
    },
  );
};

/**
 * x [F, H, W, C] -> [F, H, W, C]; each pixel sees itself in all frames, which have no positions. Both attentions are to
 * the pixel's own row of frames; the norm in front takes all frames together.
 */
export const temporalTransformer = (
  groups: number,
  channels: number,
  { heads, headWidth }: { readonly heads: number; readonly headWidth: number },
): Module<(x: Tensor, probe?: Probe) => Tensor> => {
  const inner = heads * headWidth;
  const attend: Attend = (q, k, v) => frameAttention(q, k, v, { heads });
  return block(
    {
      norm: groupNorm({ channels, groups, eps: EPS, acrossFrames: true }),
      proj_in: linear({ in: channels, out: inner }),
      'transformer_blocks.0': transformerBlock<undefined>(
        inner,
        selfAttention(inner, attend),
        selfAttention(inner, attend),
      ),
      proj_out: linear({ in: inner, out: channels }),
    },
    (m, x: Tensor, probe?: Probe) => {
      const h = m['transformer_blocks.0'](m.proj_in(m.norm(x)), undefined, probe);
      return add(x, m.proj_out(h));
    },
  );
};
