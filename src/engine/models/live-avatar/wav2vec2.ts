/** wav2vec2: sound at 16 kHz to 50 rows a second, after each layer. The kind with layer norms everywhere. */
import type { Tensor } from '../../graph/graph.ts';
import { attention } from '../../graph/ops/attention.ts';
import { conv } from '../../graph/ops/conv.ts';
import { add, geluErf } from '../../graph/ops/elementwise.ts';
import { concat, reshape, slice } from '../../graph/ops/layout.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import type { Probe } from '../wan/context.ts';
import type { ConvSize, Wav2Vec2Config } from './wav2vec2-config.ts';

/** Convolution along the third axis of [1, 1, T, in], without padding unless given. */
const conv1d =
  (options: {
    readonly in: number;
    readonly out: number;
    readonly kernel: number;
    readonly stride?: number;
    readonly pad?: readonly [before: number, after: number];
    readonly bias?: boolean;
  }): Module<Layer> =>
  (scope) => {
    const { kernel, stride = 1, pad: [before, after] = [0, 0] } = options;
    const weight = scope.weight('weight', [options.out, options.in, kernel], {
      shape: [options.out, kernel, options.in],
      packing: 'conv',
    });
    const bias = options.bias === false ? undefined : scope.weight('bias', [options.out]);
    return (x) =>
      conv(x, weight, bias, {
        kernel: [1, 1, kernel],
        stride: [1, 1, stride],
        before: [0, 0, before],
        after: [0, 0, after],
      });
  };

const convLayer = (size: ConvSize, ins: number, { convBias }: Wav2Vec2Config) =>
  block(
    {
      conv: conv1d({ in: ins, out: size.channels, ...size, bias: convBias }),
      layer_norm: layerNorm({ channels: size.channels, eps: 1e-5, affine: true }),
    },
    (m, x: Tensor, probe: Probe | undefined) => {
      const h = geluErf(m.layer_norm(m.conv(x)));
      probe?.('out', h);
      return h;
    },
  );

/** Normalised sound [1, 1, samples, 1] -> frames [1, 1, T, channels]. */
export const featureExtractor = (
  config: Wav2Vec2Config,
): Module<(sound: Tensor, probe?: Probe) => Tensor> => {
  const { convs } = config;
  return (scope) =>
    block(
      {
        conv_layers: list(convs.length, (i) => {
          const size = convs[i] ?? { channels: 1, kernel: 1, stride: 1 };
          return convLayer(size, convs[i - 1]?.channels ?? 1, config);
        }),
      },
      (m, sound: Tensor, probe: Probe | undefined) =>
        m.conv_layers.reduce(
          (x, run, i) => run(x, probe && ((_, kept) => probe(`conv${i}`, kept))),
          sound,
        ),
    )(scope.child('wav2vec2.feature_extractor'));
};

/** What stands around each row, told by a convolution in groups: [T, width] -> [T, width]. */
const positions = ({ width, positions: { kernel, groups } }: Wav2Vec2Config): Module<Layer> => {
  const each = width / groups;
  const before = Math.floor(kernel / 2);
  return block(
    {
      conv: list(groups, () =>
        conv1d({ in: each, out: each, kernel, pad: [before, kernel - 1 - before] }),
      ),
    },
    (m, x: Tensor) => {
      const [T = 1] = x.shape;
      const line = reshape(x, [1, 1, T, width]);
      const parts = m.conv.map((run, i) => run(slice(line, 3, i * each, each)));
      return geluErf(reshape(concat(parts, 3), [T, width]));
    },
  );
};

const encoderLayer = ({ width, heads, ffnDim, eps }: Wav2Vec2Config) => {
  const project = linear({ in: width, out: width });
  return block(
    {
      layer_norm: layerNorm({ channels: width, eps, affine: true }),
      'attention.q_proj': project,
      'attention.k_proj': project,
      'attention.v_proj': project,
      'attention.out_proj': project,
      final_layer_norm: layerNorm({ channels: width, eps, affine: true }),
      'feed_forward.intermediate_dense': linear({ in: width, out: ffnDim }),
      'feed_forward.output_dense': linear({ in: ffnDim, out: width }),
    },
    (m, x: Tensor) => {
      const h = m.layer_norm(x);
      const o = attention(
        m['attention.q_proj'](h),
        m['attention.k_proj'](h),
        m['attention.v_proj'](h),
        {
          heads,
        },
      );
      x = add(x, m['attention.out_proj'](o));
      const inner = geluErf(m['feed_forward.intermediate_dense'](m.final_layer_norm(x)));
      return add(x, m['feed_forward.output_dense'](inner));
    },
  );
};

/**
 * Frames [T, channels] of the feature extractor -> layers + 1 states [T, width]: what goes into the first layer, what
 * comes out of each, and of the last after the final norm. transformers 4: modeling_wav2vec2.py,
 * Wav2Vec2EncoderStableLayerNorm.
 */
export const wav2vec2 = (
  config: Wav2Vec2Config,
): Module<(frames: Tensor, probe?: Probe) => readonly Tensor[]> => {
  const { width, eps, layers, convs } = config;
  const channels = convs.at(-1)?.channels ?? 1;
  return (scope) =>
    block(
      {
        'feature_projection.layer_norm': layerNorm({ channels, eps, affine: true }),
        'feature_projection.projection': linear({ in: channels, out: width }),
        'encoder.pos_conv_embed': positions(config),
        'encoder.layers': list(layers, () => encoderLayer(config)),
        'encoder.layer_norm': layerNorm({ channels: width, eps, affine: true }),
      },
      (m, frames: Tensor, probe: Probe | undefined) => {
        frames.graph.keepActivations();
        const projected = m['feature_projection.projection'](
          m['feature_projection.layer_norm'](frames),
        );
        const placed = m['encoder.pos_conv_embed'](projected);
        probe?.('feature_projection', projected);
        probe?.('pos_conv_embed', placed);
        const states = [add(projected, placed)];
        m['encoder.layers'].forEach((run, i) => {
          const x = run(states[i] ?? placed);
          probe?.(`layer${i}.out`, x);
          states.push(x);
        });
        const last = states.pop() ?? placed;
        probe?.('last_layer_raw', last);
        return [...states, m['encoder.layer_norm'](last)];
      },
    )(scope.child('wav2vec2'));
};
