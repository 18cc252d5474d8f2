/** A DynamiCrafter small enough for tests: its settings, and a PyTorch checkpoint of seeded weights. */
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import { Graph, checkpointWeights } from '../../src/engine/graph/graph.ts';
import {
  autoencoderDecoder,
  autoencoderEncoder,
} from '../../src/engine/models/autoencoder-kl/autoencoder.ts';
import { renameAutoencoder } from '../../src/engine/models/autoencoder-kl/names.ts';
import { parseParams } from '../../src/engine/models/dynamicrafter/params.ts';
import { renameResampler, resampler } from '../../src/engine/models/dynamicrafter/resampler.ts';
import { unetContext } from '../../src/engine/models/unet3d/context.ts';
import { embeddings } from '../../src/engine/models/unet3d/embedding.ts';
import { renameLvdmUnet } from '../../src/engine/models/unet3d/names.ts';
import { unet3d } from '../../src/engine/models/unet3d/unet.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import type { Rename } from '../../src/engine/weights/weight-store.ts';
import { checkpointOf, op, tensorPickle } from './checkpoint-file.ts';

export const TINY = {
  rescale_betas_zero_snr: true,
  parameterization: 'v',
  use_dynamic_rescale: true,
  base_scale: 0.7,
  scale_factor: 0.5,
  unet_config: {
    params: {
      ...{ in_channels: 8, out_channels: 4, model_channels: 32, num_res_blocks: 1 },
      ...{ attention_resolutions: [1], channel_mult: [1], num_head_channels: 8 },
      ...{ context_dim: 8, temporal_length: 3, image_cross_attention: true, default_fs: 3 },
    },
  },
  first_stage_config: {
    params: {
      ddconfig: {
        ...{ z_channels: 4, in_channels: 3, out_ch: 3, ch: 32 },
        ...{ ch_mult: [1, 1], num_res_blocks: 1 },
      },
    },
  },
  image_proj_stage_config: {
    params: {
      ...{ dim: 16, depth: 1, dim_head: 8, heads: 1, num_queries: 16, embedding_dim: 12 },
      ...{ output_dim: 8, ff_mult: 2, video_length: 3 },
    },
  },
};

/** Tensors that a part of the model asks for, under their names in the checkpoint. */
function stored(build: (root: Scope) => void, rename: Rename, prefix = ''): [string, Shape][] {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const found = new Map<string, Shape>();
  for (const [name, { source }] of checkpointWeights(graph)) {
    if (source.kind !== 'weight') continue;
    const alias = rename(name) ?? name;
    const [first = 1, ...rest] = source.stored;
    if (typeof alias === 'string') found.set(prefix + alias, source.stored);
    else found.set(prefix + alias.name, ['of' in alias ? alias.of * first : first, ...rest]);
  }
  return [...found];
}

/** Returns the bytes of a checkpoint as torch.save writes it: `{"state_dict": {…}}`. */
export function tinyCheckpoint(): Uint8Array {
  const { unet, vae, resampler: projector } = parseParams(TINY);
  const network = (root: Scope): void => {
    embeddings(unet)(root);
    unetContext(unet)(root);
    unet3d(unet)(root);
  };
  const coder = (root: Scope): void => {
    autoencoderEncoder(vae)(root);
    autoencoderDecoder(vae)(root);
  };
  const tensors = [
    ...stored(network, renameLvdmUnet(unet), 'model.diffusion_model.'),
    ...stored(coder, renameAutoencoder(vae.channels.length, 'first_stage_model.')),
    ...stored((root) => void resampler(projector)(root), renameResampler('image_proj_model.')),
  ];
  const storages: Record<string, Uint8Array> = {};
  const entries = tensors.map(([name, shape], key): readonly [string, Uint8Array] => {
    const count = sizeOf(shape);
    const fan = shape.length > 1 ? count / (shape[0] ?? 1) : 1;
    const norm = shape.length === 1 && name.endsWith('weight');
    const values = Float32Array.from({ length: count }, (_, i) =>
      norm
        ? 1
        : Math.sin(12.9898 * (i + 1) + 78.233 * key) / (shape.length > 1 ? Math.sqrt(fan) : 10),
    );
    storages[String(key)] = new Uint8Array(values.buffer);
    return [name, tensorPickle({ key: String(key), type: 'FloatStorage', count, shape })];
  });
  const root = op.dictionary([['state_dict', op.dictionary(entries)]]);
  return checkpointOf(op.pickle(root), storages);
}
