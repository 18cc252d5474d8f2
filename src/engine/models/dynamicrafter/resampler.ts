/**
 * The projector from CLIP's image tokens to those that the UNet attends to: learned queries, 16 for each frame, that
 * read the picture. lvdm: modules/encoders/resampler.py, Resampler.
 */
import type { Tensor } from '../../graph/graph.ts';
import { attention } from '../../graph/ops/attention.ts';
import { add, affine, geluErf } from '../../graph/ops/elementwise.ts';
import { concat } from '../../graph/ops/layout.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list, parameter } from '../../nn/module.ts';
import type { Alias, Rename } from '../../weights/weight-store.ts';
import type { Probe } from '../unet3d/transformers.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

export type ResamplerConfig = {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly headWidth: number;
  /** Queries in all: those of a frame times the frames. */
  readonly queries: number;
  readonly inDim: number;
  readonly outDim: number;
  readonly hidden: number;
};

/** Returns the sizes in the `params` of the original code. Throws `weights/config`. */
export function parseResampler(config: Config): ResamplerConfig {
  const width = numberIn(config, 'dim', 1024);
  return {
    width,
    depth: numberIn(config, 'depth', 8),
    heads: numberIn(config, 'heads', 16),
    headWidth: numberIn(config, 'dim_head', 64),
    queries: numberIn(config, 'num_queries', 8) * numberIn(config, 'video_length', 1),
    inDim: numberIn(config, 'embedding_dim', 768),
    outDim: numberIn(config, 'output_dim', 1024),
    hidden: width * numberIn(config, 'ff_mult', 4),
  };
}

const EPS = 1e-5;

/** Latents read the picture's tokens and themselves. */
const reading = (config: ResamplerConfig): Module<(x: Tensor, latents: Tensor) => Tensor> => {
  const { width, heads, headWidth } = config;
  const inner = heads * headWidth;
  const norm = layerNorm({ channels: width, eps: EPS, affine: true });
  const project = linear({ in: width, out: inner, bias: false });
  return block(
    {
      ...{ norm1: norm, norm2: norm, to_q: project, 'to_kv.k': project, 'to_kv.v': project },
      to_out: linear({ in: inner, out: width, bias: false }),
    },
    (m, x: Tensor, latents: Tensor) => {
      const own = m.norm2(latents);
      const all = concat([m.norm1(x), own], 0);
      return m.to_out(attention(m.to_q(own), m['to_kv.k'](all), m['to_kv.v'](all), { heads }));
    },
  );
};

const feeding = ({ width, hidden }: ResamplerConfig): Module<Layer> =>
  block(
    {
      '0': layerNorm({ channels: width, eps: EPS, affine: true }),
      '1': linear({ in: width, out: hidden, bias: false }),
      '3': linear({ in: hidden, out: width, bias: false }),
    },
    (m, x: Tensor) => m['3'](geluErf(m['1'](m['0'](x)))),
  );

/** Tokens [n, inDim] of a picture -> tokens [queries, outDim], frame after frame. */
export const resampler = (
  config: ResamplerConfig,
): Module<(tokens: Tensor, probe?: Probe) => Tensor> => {
  const { width, depth, queries, inDim, outDim } = config;
  return block(
    {
      latents: parameter([queries, width], 'f32', [1, queries, width]),
      proj_in: linear({ in: inDim, out: width }),
      layers: list(depth, () => (scope) => ({
        read: reading(config)(scope.child('0')),
        feed: feeding(config)(scope.child('1')),
      })),
      proj_out: linear({ in: width, out: outDim }),
      norm_out: layerNorm({ channels: outDim, eps: EPS, affine: true }),
    },
    (m, tokens: Tensor, probe?: Probe) => {
      const keep = (name: string, tensor: Tensor): Tensor => {
        probe?.(name, tensor);
        return tensor;
      };
      const x = keep('proj_in', m.proj_in(tokens));
      let latents = affine(m.latents, 1); // a copy: no dispatch binds weights and activations in one buffer
      m.layers.forEach((layer, i) => {
        latents = add(latents, keep(`layers.${i}.0`, layer.read(x, latents)));
        latents = add(latents, keep(`layers.${i}.1`, layer.feed(latents)));
      });
      return keep('norm_out', m.norm_out(keep('proj_out', m.proj_out(latents))));
    },
  );
};

/** Keys and values are halves of one product, the keys first. */
const HALVES = /\.to_kv\.(k|v)\.weight$/;

/** Renames to the checkpoint's spelling below `prefix`. */
export const renameResampler =
  (prefix = ''): Rename =>
  (name): Alias => {
    const [, half] = HALVES.exec(name) ?? [];
    if (half === undefined) return prefix + name;
    const whole = prefix + name.replace(HALVES, '.to_kv.weight');
    return { name: whole, part: half === 'k' ? 0 : 1, of: 2 };
  };
