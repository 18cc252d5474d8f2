/**
 * What I2VGen-XL makes of a picture beside the text: context tokens of its latent and of its CLIP embedding, and the
 * channels that stand beside the noisy latent. All of it is the same in every step. diffusers: unet_i2vgen_xl.py.
 */
import type { Graph, Tensor } from '../../graph/graph.ts';
import { add, geluErf, silu } from '../../graph/ops/elementwise.ts';
import { frameAttention } from '../../graph/ops/frame-attention.ts';
import { concat, permute, reshape, slice } from '../../graph/ops/layout.ts';
import { matmulWeight } from '../../graph/ops/linear.ts';
import { conv2d } from '../../nn/convolutions.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block } from '../../nn/module.ts';
import type { Probe } from '../unet3d/transformers.ts';
import type { I2vgenConfig } from './config.ts';

/** Rows and columns that the latent is averaged to before it becomes tokens. */
const POOLED = 32;

/** Averages of n inputs over `to` windows: window i covers floor(i n / to) up to ceil((i + 1) n / to). */
function poolingMatrix(graph: Graph, n: number, to: number): Tensor {
  const values = new Float32Array(to * n);
  for (let i = 0; i < to; i++) {
    const [first, end] = [Math.floor((i * n) / to), Math.ceil(((i + 1) * n) / to)];
    values.fill(1 / (end - first), i * n + first, i * n + end);
  }
  return graph.constant(`average ${n} to ${to}`, values, [to, n], graph.compute);
}

/** Adaptive mean over rows and columns: [1, H, W, C] -> [1, to, to, C]. */
function adaptivePool(x: Tensor, to: number): Tensor {
  const [, H = 1, W = 1] = x.shape;
  const rows = matmulWeight(permute(x, [0, 2, 3, 1]), poolingMatrix(x.graph, H, to)); // [1, W, C, to]
  const both = matmulWeight(permute(rows, [0, 3, 2, 1]), poolingMatrix(x.graph, W, to)); // [1, to, C, to]
  return permute(both, [0, 1, 3, 2]);
}

const latentTokens = ({ latentChannels: C, contextDim }: I2vgenConfig): Module<Layer> =>
  block(
    {
      '0': conv2d({ in: C, out: 8 * C, kernel: 3 }),
      '3': conv2d({ in: 8 * C, out: 16 * C, kernel: 3, stride: 2 }),
      '5': conv2d({ in: 16 * C, out: contextDim, kernel: 3, stride: 2 }),
    },
    (m, first: Tensor) => m['5'](silu(m['3'](adaptivePool(silu(m['0'](first)), POOLED)))),
  );

/** A transformer of one layer along the frames, as narrow as the latent; no norm stands before its second half. */
const frameMixer = (C: number): Module<Layer> => {
  const heads = 2;
  const inner = heads * C;
  const project = linear({ in: C, out: inner, bias: false });
  return block(
    {
      norm1: layerNorm({ channels: C, eps: 1e-5, affine: true }),
      ...{ 'attn1.to_q': project, 'attn1.to_k': project, 'attn1.to_v': project },
      'attn1.to_out.0': linear({ in: inner, out: C }),
      'ff.net.0.proj': linear({ in: C, out: 4 * C }),
      'ff.net.2': linear({ in: 4 * C, out: C }),
    },
    (m, x: Tensor) => {
      const h = m.norm1(x);
      const seen = frameAttention(m['attn1.to_q'](h), m['attn1.to_k'](h), m['attn1.to_v'](h), {
        heads,
      });
      const y = add(x, m['attn1.to_out.0'](seen));
      return add(y, m['ff.net.2'](geluErf(m['ff.net.0.proj'](y))));
    },
  );
};

export type ConditionArgs = {
  /** Rows [n, contextDim] of the text. */
  readonly text: Tensor;
  /** CLIP's embedding of the picture [1, contextDim]; zeros for the call without condition. */
  readonly picture: Tensor;
  /** Latent of the picture, then the constants that count the frames: [F, h, w, C]. */
  readonly latents: Tensor;
  readonly probe?: Probe | undefined;
};

export type Conditions = {
  /** Tokens [n + 64 + 4, contextDim]. */
  readonly context: Tensor;
  /** Channels beside the noisy latent [F, h, w, C]. */
  readonly channels: Tensor;
};

/** Text, picture embedding and latent -> context tokens and channels. */
export const i2vgenConditions = (
  config: I2vgenConfig,
): Module<(args: ConditionArgs) => Conditions> => {
  const { latentChannels: C, contextDim } = config;
  return block(
    {
      image_latents_context_embedding: latentTokens(config),
      'context_embedding.0': linear({ in: contextDim, out: 4 * (config.widths[0] ?? 1) }),
      'context_embedding.2': linear({ in: 4 * (config.widths[0] ?? 1), out: C * contextDim }),
      'image_latents_proj_in.0': conv2d({ in: C, out: 4 * C, kernel: 3 }),
      'image_latents_proj_in.2': conv2d({ in: 4 * C, out: 4 * C, kernel: 3 }),
      'image_latents_proj_in.4': conv2d({ in: 4 * C, out: C, kernel: 3 }),
      image_latents_temporal_encoder: frameMixer(C),
    },
    (m, { text, picture, latents, probe }: ConditionArgs) => {
      const seen = m.image_latents_context_embedding(slice(latents, 0, 0, 1));
      probe?.('image_latents_context_embedding', seen);
      const embedded = m['context_embedding.2'](silu(m['context_embedding.0'](picture)));
      probe?.('context_embedding', embedded);
      const rows = (x: Tensor, count: number): Tensor => reshape(x, [count, contextDim]);
      const [, h = 1, w = 1] = seen.shape;
      const context = concat([text, rows(seen, h * w), rows(embedded, C)], 0);
      const projected = m['image_latents_proj_in.4'](
        silu(m['image_latents_proj_in.2'](silu(m['image_latents_proj_in.0'](latents)))),
      );
      probe?.('image_latents_proj_in', projected);
      const channels = m.image_latents_temporal_encoder(projected);
      probe?.('image_latents_temporal_encoder', channels);
      return { context, channels };
    },
  );
};
