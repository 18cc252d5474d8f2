/** CLIP image encoder: a picture to the rows of its second last layer, for the 2.1 image-to-video models. */
import { EngineError } from '../../gpu/errors.ts';
import type { Tensor } from '../../graph/graph.ts';
import { checkShape } from '../../graph/graph.ts';
import { attention } from '../../graph/ops/attention.ts';
import { add, addRows, geluErf, quickGelu } from '../../graph/ops/elementwise.ts';
import { concat, patchify } from '../../graph/ops/layout.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list, parameter } from '../../nn/module.ts';
import type { Config } from './components.ts';
import { numberIn } from './components.ts';
import type { Probe } from './context.ts';

export type ClipConfig = {
  readonly width: number;
  readonly heads: number;
  readonly mlpDim: number;
  /** Layers of the checkpoint; the last is never run. */
  readonly layers: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly channels: number;
  readonly eps: number;
  readonly activation: 'gelu' | 'quick_gelu';
};

/** Returns the sizes in a Hugging Face config.json. Throws `weights/config`. */
export function parseClipConfig(config: Config): ClipConfig {
  const activation = config['hidden_act'] ?? 'gelu';
  if (activation !== 'gelu' && activation !== 'quick_gelu') {
    throw new EngineError(
      'weights/config',
      `config.json — got ${String(activation)} for hidden_act, needs gelu or quick_gelu`,
    );
  }
  return {
    width: numberIn(config, 'hidden_size'),
    heads: numberIn(config, 'num_attention_heads'),
    mlpDim: numberIn(config, 'intermediate_size'),
    layers: numberIn(config, 'num_hidden_layers'),
    imageSize: numberIn(config, 'image_size'),
    patchSize: numberIn(config, 'patch_size'),
    channels: numberIn(config, 'num_channels', 3),
    eps: numberIn(config, 'layer_norm_eps', 1e-5),
    activation,
  };
}

/** Mean and deviation of the red, green and blue values, 0..1, that pictures are normalised with. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
export const CLIP_DEVIATION = [0.26862954, 0.26130258, 0.27577711] as const;

const encoderLayer = ({ width, heads, mlpDim, eps, activation }: ClipConfig) => {
  const project = linear({ in: width, out: width });
  const act = activation === 'gelu' ? geluErf : quickGelu;
  return block(
    {
      'self_attn.q_proj': project,
      'self_attn.k_proj': project,
      'self_attn.v_proj': project,
      'self_attn.out_proj': project,
      layer_norm1: layerNorm({ channels: width, eps, affine: true }),
      'mlp.fc1': linear({ in: width, out: mlpDim }),
      'mlp.fc2': linear({ in: mlpDim, out: width }),
      layer_norm2: layerNorm({ channels: width, eps, affine: true }),
    },
    (m, x: Tensor, probe: Probe | undefined) => {
      const h = m.layer_norm1(x);
      const [q, k, v] = [
        m['self_attn.q_proj'](h),
        m['self_attn.k_proj'](h),
        m['self_attn.v_proj'](h),
      ];
      const attended = m['self_attn.out_proj'](attention(q, k, v, { heads }));
      x = add(x, attended);
      const fed = m['mlp.fc2'](act(m['mlp.fc1'](m.layer_norm2(x))));
      const y = add(x, fed);
      Object.entries({ attn_out: attended, mlp_out: fed, out: y }).forEach(([name, tensor]) =>
        probe?.(name, tensor),
      );
      return y;
    },
  );
};

/** Class token and patches at their places: [H, W, channels] -> [1 + patches, width]. */
const embeddings = ({ width, channels, imageSize, patchSize }: ClipConfig): Module<Layer> => {
  const side = imageSize / patchSize;
  return block(
    {
      class_embedding: parameter([1, width], 'f32', [width]),
      patch_embedding: linear({
        in: channels * patchSize ** 2,
        out: width,
        bias: false,
        stored: [width, channels, patchSize, patchSize],
        dtype: 'f32',
      }),
      'position_embedding.weight': parameter([side ** 2 + 1, width]),
    },
    (m, picture: Tensor) => {
      const patches = patchify(picture, { pt: 1, ph: patchSize, pw: patchSize });
      const tokens = concat([m.class_embedding, m.patch_embedding(patches)], 0);
      return addRows(tokens, m['position_embedding.weight']);
    },
  );
};

/**
 * Returns the rows [1 + patches, width] of the second last layer for a normalised picture [1, H, W, channels], without
 * the final norm. transformers: modeling_clip.py, CLIPVisionModel.
 */
export const clipVision = (
  config: ClipConfig,
): Module<(picture: Tensor, probe?: Probe) => Tensor> => {
  const { width, eps, layers, imageSize, channels } = config;
  return (scope) =>
    block(
      {
        embeddings: embeddings(config),
        pre_layrnorm: layerNorm({ channels: width, eps, affine: true }),
        'encoder.layers': list(layers - 1, () => encoderLayer(config)),
      },
      (m, picture: Tensor, probe: Probe | undefined) => {
        const want = [1, imageSize, imageSize, channels];
        checkShape(
          want.join() === picture.shape.join(),
          scope.graph,
          'picture',
          picture.shape,
          `[${want.join(', ')}]`,
        );
        const tokens = m.embeddings(picture);
        let x = m.pre_layrnorm(tokens);
        Object.entries({ embeddings: tokens, pre_layrnorm: x }).forEach(([name, tensor]) =>
          probe?.(name, tensor),
        );
        m['encoder.layers'].forEach((run, index) => {
          x = run(x, probe && ((name, tensor) => probe(`layer${index}.${name}`, tensor)));
        });
        return x;
      },
    )(scope.child('vision_model'));
};
