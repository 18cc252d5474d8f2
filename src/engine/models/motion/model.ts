/** The networks of the built-in model: picture encoder, motion network (the Wan DiT) and refiner, under their checkpoint keys. */
import type { Tensor } from '../../graph/graph.ts';
import { add, silu } from '../../graph/ops/elementwise.ts';
import { conv } from '../../graph/ops/conv.ts';
import { rearrange, reshape } from '../../graph/ops/layout.ts';
import type { Layer } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import { parseWanConfig } from '../wan/config.ts';
import type { WanConfig } from '../wan/config.ts';
import type { MotionConfig } from './config.ts';

/** Colours of a picture. */
const COLOURS = 3;
/** Eight channels, and three colours, of a block of 2 × 2 pixels. */
const REFINE_IN = 32;
const REFINE_OUT = 12;

type ConvOptions = {
  readonly in: number;
  readonly out: number;
  readonly stride?: number;
  readonly upsample?: boolean;
};

/** Convolution 3 × 3 with zeros all around: [H, W, in] -> [H / stride, W / stride, out], or [2 H, 2 W, out]. */
const conv3 =
  ({ in: ins, out, stride = 1, upsample = false }: ConvOptions): Module<Layer> =>
  (scope) => {
    const packed = { shape: [out, 9, ins], packing: 'conv' } as const;
    const weight = scope.weight('weight', [out, ins, 3, 3], packed);
    const bias = scope.weight('bias', [out]);
    return (x) => {
      const y = conv(reshape(x, [1, ...x.shape]), weight, bias, {
        kernel: [1, 3, 3],
        stride: [1, stride, stride],
        before: [0, 1, 1],
        after: [0, 1, 1],
        upsample,
      });
      return reshape(y, y.shape.slice(1));
    };
  };

// weights/train/model.py, PictureEncoder
/** Picture [8 h, 8 w, 3] in −1 … 1 -> features [h, w, C]. */
export const pictureEncoder = ({ encoder: { channels, strides } }: MotionConfig): Module<Layer> => {
  const convolutions = list(channels.length, (i) =>
    conv3({ in: channels[i - 1] ?? COLOURS, out: channels[i] ?? 1, stride: strides[i] ?? 1 }),
  );
  return (scope) => {
    const convs = convolutions(scope);
    return (picture) => convs.reduce((x, conv, i) => conv(i === 0 ? x : silu(x)), picture);
  };
};

/** Features [h, w, C] -> the same at every key time [keys, h, w, C]. */
export const atEveryKey = (features: Tensor, keys: number): Tensor =>
  rearrange(features, 'h w c -> k h w c', { k: keys });

/** Config of the DiT inside; its inputs are field, condition and features in this order. */
export const transformerConfig = ({ transformer }: MotionConfig): WanConfig =>
  parseWanConfig(transformer);

// weights/train/render.py, Refiner
/** Blocks of the warped frame [H', W', 32] -> change of their colours [H', W', 12]. */
export const refiner = ({ refine: { half, quarter } }: MotionConfig): Module<Layer> =>
  block(
    {
      conv_in: conv3({ in: REFINE_IN, out: half }),
      down: conv3({ in: half, out: quarter, stride: 2 }),
      mid: list(2, () => conv3({ in: quarter, out: quarter })),
      up: conv3({ in: quarter, out: half, upsample: true }),
      conv_out: conv3({ in: half, out: REFINE_OUT }),
    },
    (m, blocks: Tensor) => {
      const fine = silu(m.conv_in(blocks)); // [H', W', half]
      const coarse = m.mid.reduce((x, conv) => silu(conv(x)), silu(m.down(fine))); // [H'/2, W'/2, quarter]
      return m.conv_out(silu(add(m.up(coarse), fine)));
    },
  );
