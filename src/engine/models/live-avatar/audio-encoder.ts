/** What the picture hears: columns of sound to a few tokens and one summary for each latent frame. */
import type { Tensor } from '../../graph/graph.ts';
import { checkShape } from '../../graph/graph.ts';
import { conv } from '../../graph/ops/conv.ts';
import { silu } from '../../graph/ops/elementwise.ts';
import { concat, rearrange, reshape, slice } from '../../graph/ops/layout.ts';
import { normalise } from '../../graph/ops/norm.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, parameter } from '../../nn/module.ts';
import type { AvatarConfig } from './config.ts';

/** Video frames that one latent frame stands for. */
export const FRAMES_PER_LATENT = 4;

/**
 * Copies of the first column in front. The reference puts 73 there, one for each motion frame, and drops what comes
 * of them; what is kept looks back over eight columns and no further, so five give the same.
 */
export const COLUMNS_BEFORE = 5;

/** Returns columns [n, width] with the copies of the first one in front. */
export function withColumnsBefore(columns: Float32Array, width: number): Float32Array {
  const all = new Float32Array(columns.length + COLUMNS_BEFORE * width);
  const first = columns.subarray(0, width);
  for (let i = 0; i < COLUMNS_BEFORE; i++) all.set(first, i * width);
  all.set(columns, COLUMNS_BEFORE * width);
  return all;
}

/** Tokens [F · n, width] and a summary [F, width], of F latent frames. */
export type Heard = { readonly tokens: Tensor; readonly summary: Tensor };

/** Convolution over three rows of [T, heads, 1, in], none around them. */
const conv1d =
  (options: { in: number; out: number; stride?: number }): Module<Layer> =>
  (scope) => {
    const weight = scope.weight('weight', [options.out, options.in, 3], {
      shape: [options.out, 3, options.in],
      packing: 'conv',
    });
    const bias = scope.weight('bias', [options.out]);
    const stride = [options.stride ?? 1, 1, 1] as const;
    return (x) => conv(x, weight, bias, { kernel: [3, 1, 1], stride });
  };

const stage = (x: Tensor): Tensor => silu(normalise(x, 'layer', 1e-6));

/**
 * Mixed columns [5 + 4 F, audioDim] -> tokens and summary of F latent frames. Without padding the two strides end on the
 * last column of each latent frame.
 */
export const audioEncoder = (config: AvatarConfig): Module<(columns: Tensor) => Heard> => {
  const { width, audioDim, audioTokens } = config;
  const inner = width / 4;
  return (scope) =>
    block(
      {
        'conv1_local.conv': conv1d({ in: audioDim, out: inner * audioTokens }),
        'conv1_global.conv': conv1d({ in: audioDim, out: inner }),
        'conv2.conv': conv1d({ in: inner, out: width / 2, stride: 2 }),
        'conv3.conv': conv1d({ in: width / 2, out: width, stride: 2 }),
        final_linear: linear({ in: width, out: width }),
        padding_tokens: parameter([1, width], 'f32', [1, 1, 1, width]),
      },
      (m, columns: Tensor): Heard => {
        const [T = 0] = columns.shape;
        const frames = (T - COLUMNS_BEFORE) / FRAMES_PER_LATENT;
        checkShape(
          Number.isInteger(frames) && frames > 0,
          columns.graph,
          'sound columns',
          columns.shape,
          '5 + 4 n rows',
        );
        const x = reshape(columns, [T, 1, 1, audioDim]);
        const local = reshape(m['conv1_local.conv'](x), [T - 2, audioTokens, 1, inner]);
        let h = stage(concat([local, m['conv1_global.conv'](x)], 1)); // the summary goes as one more head
        h = stage(m['conv2.conv'](h));
        h = stage(m['conv3.conv'](h)); // [F, heads + 1, 1, width]
        const heads = reshape(slice(h, 1, 0, audioTokens), [frames, audioTokens, width]);
        const learned = rearrange(m.padding_tokens, '1 c -> f 1 c', { f: frames });
        return {
          tokens: reshape(concat([heads, learned], 1), [frames * (audioTokens + 1), width]),
          summary: m.final_linear(reshape(slice(h, 1, audioTokens, 1), [frames, width])),
        };
      },
    )(scope.child('casual_audio_encoder.encoder'));
};
