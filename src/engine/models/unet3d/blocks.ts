/**
 * The blocks of 3-D UNets on clips [F, H, W, C]: what a picture UNet has works frame by frame, what stands behind it
 * along the frames. diffusers: unet_3d_blocks.py, resnet.py, transformer_temporal.py.
 */
import type { Tensor } from '../../graph/graph.ts';
import { add, addRows, silu } from '../../graph/ops/elementwise.ts';
import { conv2d, frameConv, groupNorm } from '../../nn/convolutions.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block } from '../../nn/module.ts';
import { resample } from '../../graph/ops/resample.ts';

const EPS = 1e-5;

/** x [F, H, W, in] and the activated time embedding [1, E] -> [F, H, W, out]. */
export const resnet = (
  groups: number,
  { in: ins, out, embedding }: { in: number; out: number; embedding: number },
): Module<(x: Tensor, time: Tensor) => Tensor> =>
  block(
    {
      norm1: groupNorm({ channels: ins, groups, eps: EPS }),
      conv1: conv2d({ in: ins, out, kernel: 3 }),
      time_emb_proj: linear({ in: embedding, out }),
      norm2: groupNorm({ channels: out, groups, eps: EPS }),
      conv2: conv2d({ in: out, out, kernel: 3 }),
      conv_shortcut: ins === out ? absent : conv2d({ in: ins, out, kernel: 1 }),
    },
    (m, x: Tensor, time: Tensor) => {
      const h = addRows(m.conv1(silu(m.norm1(x))), m.time_emb_proj(time));
      return add(m.conv_shortcut?.(x) ?? x, m.conv2(silu(m.norm2(h))));
    },
  );

/** Four convolutions along the frames beside the input; their norms take all frames together. */
export const temporalConv = (groups: number, channels: number): Module<Layer> => {
  const norm = groupNorm({ channels, groups, eps: EPS, acrossFrames: true });
  const conv = frameConv({ in: channels, out: channels, kernel: 3 });
  return block(
    {
      ...{ 'conv1.0': norm, 'conv1.2': conv, 'conv2.0': norm, 'conv2.3': conv },
      ...{ 'conv3.0': norm, 'conv3.3': conv, 'conv4.0': norm, 'conv4.3': conv },
    },
    (m, x: Tensor) => {
      let y = m['conv1.2'](silu(m['conv1.0'](x)));
      y = m['conv2.3'](silu(m['conv2.0'](y)));
      y = m['conv3.3'](silu(m['conv3.0'](y)));
      return add(x, m['conv4.3'](silu(m['conv4.0'](y))));
    },
  );
};

/** Half the rows and columns, rounded up. */
export const downsampler = (channels: number): Module<Layer> =>
  block({ conv: conv2d({ in: channels, out: channels, kernel: 3, stride: 2 }) }, (m, x: Tensor) =>
    m.conv(x),
  );

/** Rows and columns of the next skip: twice as many, or one less where halving had rounded up. */
export const upsampler =
  (channels: number): Module<(x: Tensor, height: number, width: number) => Tensor> =>
  (scope) => {
    const at = scope.child('conv');
    const doubled = conv2d({ in: channels, out: channels, kernel: 3, upsample: true })(at);
    const plain = conv2d({ in: channels, out: channels, kernel: 3 })(at);
    return (x, height, width) => {
      const [, H = 1, W = 1] = x.shape;
      if (height === 2 * H && width === 2 * W) return doubled(x);
      return plain(resample(x, height, width, 'nearest'));
    };
  };
