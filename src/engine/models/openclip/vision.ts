/** CLIP's image tower: all tokens behind its last layer, and the embedding of the whole picture. */
import type { Tensor } from '../../graph/graph.ts';
import { checkShape } from '../../graph/graph.ts';
import { addRows } from '../../graph/ops/elementwise.ts';
import { concat, patchify, slice } from '../../graph/ops/layout.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list, parameter } from '../../nn/module.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';
import type { Probe, TowerConfig } from './encoder-layer.ts';
import { encoderLayer, parseTower } from './encoder-layer.ts';

/** Sizes of a tower and of what it looks at. */
export type PictureConfig = TowerConfig & {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly channels: number;
};

export type VisionConfig = PictureConfig & { readonly projection: number };

/** Returns the sizes of a tower without projection in a config.json. Throws `weights/config`. */
export const parsePictureConfig = (config: Config): PictureConfig => ({
  ...parseTower(config),
  imageSize: numberIn(config, 'image_size'),
  patchSize: numberIn(config, 'patch_size'),
  channels: numberIn(config, 'num_channels', 3),
});

/** Returns the sizes in a config.json. Throws `weights/config`. */
export const parseVisionConfig = (config: Config): VisionConfig => ({
  ...parsePictureConfig(config),
  projection: numberIn(config, 'projection_dim', 512),
});

/** Class token and patches at their places: [1, H, W, channels] -> [1 + patches, width]. */
export const pictureEmbeddings = ({
  width,
  channels,
  imageSize,
  patchSize,
}: PictureConfig): Module<Layer> => {
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

export type SeenPicture = {
  /** Rows [1 + patches, width] behind the last layer, without norm. */
  readonly tokens: Tensor;
  /** Projected class token [1, projection], where it was asked for. */
  readonly embedding: Tensor | undefined;
};

/** A normalised picture [1, H, W, channels] -> its tokens, and with `embed` its embedding. */
export const visionTower =
  (
    config: VisionConfig,
    { embed, probe }: { readonly embed: boolean; readonly probe?: Probe | undefined },
  ): Module<(picture: Tensor) => SeenPicture> =>
  (scope) => {
    const { width, eps, layers, imageSize, channels, projection } = config;
    const norm = layerNorm({ channels: width, eps, affine: true });
    return block(
      {
        'vision_model.embeddings': pictureEmbeddings(config),
        'vision_model.pre_layrnorm': norm,
        'vision_model.encoder.layers': list(layers, () => encoderLayer(config)),
        'vision_model.post_layernorm': embed ? norm : absent,
        visual_projection: embed ? linear({ in: width, out: projection, bias: false }) : absent,
      },
      (m, picture: Tensor): SeenPicture => {
        const want = [1, imageSize, imageSize, channels].join();
        checkShape(picture.shape.join() === want, scope.graph, 'picture', picture.shape, want);
        let x = m['vision_model.embeddings'](picture);
        probe?.('vision_model.embeddings', x);
        x = m['vision_model.pre_layrnorm'](x);
        probe?.('vision_model.pre_layrnorm', x);
        m['vision_model.encoder.layers'].forEach((run, index) => {
          x = run(x, {});
          probe?.(`layer.${index}`, x);
        });
        const whole = m['vision_model.post_layernorm']?.(slice(x, 0, 0, 1));
        if (whole) probe?.('vision_model.post_layernorm', whole);
        return { tokens: x, embedding: whole && m.visual_projection?.(whole) };
      },
    )(scope);
  };
