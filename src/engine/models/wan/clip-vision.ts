/** CLIP image encoder: a picture to the rows of its second last layer, for the 2.1 image-to-video models. */
import type { Tensor } from '../../graph/graph.ts';
import { checkShape } from '../../graph/graph.ts';
import { layerNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import { encoderLayer } from '../openclip/encoder-layer.ts';
import type { PictureConfig } from '../openclip/vision.ts';
import { parsePictureConfig, pictureEmbeddings } from '../openclip/vision.ts';
import type { Config } from '../config-json.ts';
import type { Probe } from './context.ts';

/** Sizes of the encoder; the last layer of the checkpoint is never run. */
export type ClipConfig = PictureConfig;

/** Returns the sizes in a Hugging Face config.json. Throws `weights/config`. */
export const parseClipConfig = (config: Config): ClipConfig =>
  parsePictureConfig({ hidden_act: 'gelu', ...config });

/** Mean and deviation of the red, green and blue values, 0..1, that pictures are normalised with. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
export const CLIP_DEVIATION = [0.26862954, 0.26130258, 0.27577711] as const;

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
        embeddings: pictureEmbeddings(config),
        pre_layrnorm: layerNorm({ channels: width, eps, affine: true }),
        'encoder.layers': list(layers - 1, () => encoderLayer(config)),
      },
      (m, picture: Tensor, probe: Probe | undefined) => {
        picture.graph.keepActivations();
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
          x = run(x, {
            probe: probe && ((name, tensor) => probe(`layer${index}.${name}`, tensor)),
          });
        });
        return x;
      },
    )(scope.child('vision_model'));
};
