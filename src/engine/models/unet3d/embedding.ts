/** What tells a 3-D UNet the time and the rate of its frames. */
import type { Tensor } from '../../graph/graph.ts';
import { add, silu } from '../../graph/ops/elementwise.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block } from '../../nn/module.ts';
import type { Unet3dConfig } from './config.ts';
import { embeddingWidth } from './config.ts';

/** Two products with SiLU between them, under these two keys. */
const mlp = ([first, second]: readonly [string, string], config: Unet3dConfig): Module<Layer> => {
  const width = embeddingWidth(config);
  return (scope) => {
    const one = linear({ in: config.widths[0] ?? 1, out: width })(scope.child(first));
    const two = linear({ in: width, out: width })(scope.child(second));
    return (x) => two(silu(one(x)));
  };
};

/** Sinusoids [1, widths[0]] of the timestep and of the rate -> their embeddings [1, 4 · widths[0]] and the sum of both. */
export const embeddings = (
  config: Unet3dConfig,
): Module<(time: Tensor, rate: Tensor) => Readonly<Record<'time' | 'rate' | 'sum', Tensor>>> =>
  block(
    {
      time_embedding: mlp(['linear_1', 'linear_2'], config),
      fps_embedding: mlp(['0', '2'], config),
    },
    (m, t: Tensor, r: Tensor) => {
      const time = m.time_embedding(t);
      const rate = m.fps_embedding(r);
      return { time, rate, sum: add(time, rate) };
    },
  );
