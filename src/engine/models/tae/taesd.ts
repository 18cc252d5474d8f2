/**
 * TAESD: tiny autoencoders of pictures, for latents of SD, FLUX and FLUX.2. Pictures are RGB in 0 … 1, latents as the
 * diffusion model sees them. Reference: github.com/madebyollin/taesd, taesd.py.
 */
import type { Tensor } from '../../graph/graph.ts';
import { add, affine, relu, tanh } from '../../graph/ops/elementwise.ts';
import { conv2d, groupNorm } from '../../nn/convolutions.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block } from '../../nn/module.ts';
import { plain, sequential } from '../../nn/sequential.ts';
import type { Checkpoint } from './names.ts';
import { lengthOf } from './names.ts';

export type TaesdConfig = {
  readonly width: number;
  readonly latentChannels: number;
  /** Whether the blocks at the lowest resolution look at the whole picture first, as FLUX.2's do. */
  readonly pool: boolean;
};

/** Returns the sizes that the tensors of an encoder or a decoder show. */
export function taesdConfigOf(store: Checkpoint): TaesdConfig {
  const decoder = store.has('decoder.1.weight');
  return {
    width: lengthOf(store, decoder ? 'decoder.1.weight' : 'encoder.0.weight', 0),
    latentChannels: decoder
      ? lengthOf(store, 'decoder.1.weight', 1)
      : lengthOf(store, 'encoder.14.weight', 0),
    pool: store.has(decoder ? 'decoder.3.pool.0.weight' : 'encoder.11.pool.0.weight'),
  };
}

/** Groups of the norm over the whole picture, and its width against that of the blocks. */
const POOL_GROUPS = 4;
const POOL_GROWTH = 4;

const poolBranch = (width: number): Module<Layer> => {
  const inner = POOL_GROWTH * width;
  const pointwise = (ins: number, out: number): Module<Layer> =>
    linear({ in: ins, out, bias: false, stored: [out, ins, 1, 1] });
  return block(
    {
      0: pointwise(width, inner),
      1: groupNorm({ channels: inner, groups: POOL_GROUPS, eps: 1e-5 }),
      3: pointwise(inner, width),
    },
    (m, x: Tensor) => m[3](relu(m[1](m[0](x)))),
  );
};

const residualBlock = (width: number, pool = false): Module<Layer> => {
  const conv = conv2d({ in: width, out: width, kernel: 3 });
  return block(
    { pool: pool ? poolBranch(width) : absent, 'conv.0': conv, 'conv.2': conv, 'conv.4': conv },
    (m, input: Tensor) => {
      const x = m.pool ? add(m.pool(input), input) : input;
      const h = m['conv.4'](relu(m['conv.2'](relu(m['conv.0'](x)))));
      return relu(add(h, x));
    },
  );
};

/** Returns 3 · tanh(x / 3): keeps latents that went astray in range. */
export const softClamp = (x: Tensor): Tensor => affine(tanh(affine(x, 1 / 3)), 3);

/** Picture [1, H, W, 3] -> latent [1, H/8, W/8, latentChannels]. */
export const taesdEncoder = ({ width, latentChannels, pool }: TaesdConfig) => {
  const residual = residualBlock(width);
  const lowest = residualBlock(width, pool);
  const down = conv2d({ in: width, out: width, kernel: 3, stride: 2, bias: false });
  return sequential({
    0: conv2d({ in: 3, out: width, kernel: 3 }),
    1: residual,
    2: down,
    ...{ 3: residual, 4: residual, 5: residual },
    6: down,
    ...{ 7: residual, 8: residual, 9: residual },
    10: down,
    ...{ 11: lowest, 12: lowest, 13: lowest },
    14: conv2d({ in: width, out: latentChannels, kernel: 3 }),
  });
};

/** Latent [1, h, w, latentChannels] -> picture [1, 8h, 8w, 3], not clamped. */
export const taesdDecoder = ({ width, latentChannels, pool }: TaesdConfig) => {
  const residual = residualBlock(width);
  const lowest = residualBlock(width, pool);
  const up = conv2d({ in: width, out: width, kernel: 3, upsample: true, bias: false });
  return sequential({
    0: plain(softClamp),
    1: conv2d({ in: latentChannels, out: width, kernel: 3 }),
    2: plain(relu),
    ...{ 3: lowest, 4: lowest, 5: lowest },
    7: up,
    ...{ 8: residual, 9: residual, 10: residual },
    12: up,
    ...{ 13: residual, 14: residual, 15: residual },
    17: up,
    18: residual,
    19: conv2d({ in: width, out: 3, kernel: 3 }),
  });
};
