/** An I2VGen-XL of random weights, small enough to run in a test, as the files of its released folder. */
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import { Graph, checkpointWeights } from '../../src/engine/graph/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import {
  autoencoderDecoder,
  autoencoderEncoder,
} from '../../src/engine/models/autoencoder-kl/autoencoder.ts';
import { parseAutoencoderConfig } from '../../src/engine/models/autoencoder-kl/config.ts';
import { i2vgenConditions } from '../../src/engine/models/i2vgenxl/conditions.ts';
import { parseI2vgenConfig } from '../../src/engine/models/i2vgenxl/config.ts';
import { parseTextConfig, textTower } from '../../src/engine/models/openclip/text.ts';
import { parseVisionConfig, visionTower } from '../../src/engine/models/openclip/vision.ts';
import { unetContext } from '../../src/engine/models/unet3d/context.ts';
import { embeddings } from '../../src/engine/models/unet3d/embedding.ts';
import { renameUnet } from '../../src/engine/models/unet3d/names.ts';
import { unet3d } from '../../src/engine/models/unet3d/unet.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { writeSafetensors } from './safetensors-writer.ts';
import type { Rename } from '../../src/engine/weights/weight-store.ts';
import { i2vgenConfig } from '../../bench/clips/models.ts';

const PARTS = ['unet', 'vae', 'text_encoder', 'image_encoder'] as const;

/** The settings of a part; the vocabulary is that of the tokenizer in tests/fixtures. */
const settings = (part: (typeof PARTS)[number] | 'scheduler') => ({
  ...i2vgenConfig(part, true),
  ...(part === 'text_encoder' && { vocab_size: 512 }),
});

/** The weights that modules ask for, under the names that `rename` gives them. */
function weightsOf(build: (root: Scope) => void, rename: Rename): Uint8Array<ArrayBuffer> {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const shapes = new Map<string, Shape>();
  for (const [name, { source }] of checkpointWeights(graph)) {
    if (source.kind !== 'weight') continue;
    const alias = rename(name) ?? name;
    const [first = 1, ...rest] = source.stored;
    if (typeof alias === 'string') shapes.set(alias, source.stored);
    else shapes.set(alias.name, ['of' in alias ? alias.of * first : first, ...rest]);
  }
  return writeSafetensors(
    [...shapes].map(([key, shape]) => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3);
      return [key, { dtype: 'F32', shape, data }] as const;
    }),
  );
}

const same: Rename = (name) => name;

/** Returns the files of the model's folder by their paths, but for the tokenizer. */
export function tinyI2vgenFolder(): ReadonlyMap<string, Uint8Array<ArrayBuffer>> {
  const unet = parseI2vgenConfig(settings('unet'));
  const vae = parseAutoencoderConfig(settings('vae'));
  const text = parseTextConfig(settings('text_encoder'));
  const vision = parseVisionConfig(settings('image_encoder'));
  const weights = {
    unet: weightsOf((root) => {
      embeddings(unet)(root);
      unetContext(unet)(root);
      i2vgenConditions(unet)(root);
      unet3d(unet)(root);
    }, renameUnet()),
    vae: weightsOf((root) => {
      autoencoderEncoder(vae)(root);
      autoencoderDecoder(vae)(root);
    }, same),
    text_encoder: weightsOf((root) => {
      const at = 'text_model.embeddings';
      root.weight(`${at}.position_embedding.weight`, [text.positions, text.width]);
      root.weight(`${at}.token_embedding.weight`, [text.vocabulary, text.width]);
      textTower(text, { skip: 1 })(root);
    }, same),
    image_encoder: weightsOf((root) => void visionTower(vision, { embed: true })(root), same),
  };
  const json = (value: unknown): Uint8Array<ArrayBuffer> =>
    new TextEncoder().encode(JSON.stringify(value));
  return new Map([
    ['scheduler/scheduler_config.json', json(settings('scheduler'))],
    ...PARTS.flatMap((part): [string, Uint8Array<ArrayBuffer>][] => [
      [`${part}/config.json`, json(settings(part))],
      [`${part}/model.safetensors`, weights[part]],
    ]),
  ]);
}
