/** Wan models of random weights, small enough to run in a test: as parts, and as the files of a folder. */
import type { Capabilities } from '../../src/engine/gpu/device.ts';
import { paperGpu } from '../../src/engine/gpu/paper.ts';
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import type { Config } from '../../src/engine/models/config-json.ts';
import type { ComponentName, ComponentSource } from '../../src/engine/models/wan/components.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { parseUmt5Config, umt5Encoder } from '../../src/engine/models/wan/umt5.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../../src/engine/models/wan/vae-decoder.ts';
import { clipVision, parseClipConfig } from '../../src/engine/models/wan/clip-vision.ts';
import { vaeEncoder } from '../../src/engine/models/wan/vae-encoder.ts';
import { Histories } from '../../src/engine/nn/histories.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { writeSafetensors } from './safetensors-writer.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';

/** Settings of the parts of a model, as in their config.json. */
export type WanSettings = Readonly<Partial<Record<ComponentName, Config>>> &
  Readonly<Record<'transformer' | 'vae' | 'text_encoder', Config>>;

const zeros = (length: number): number[] => Array.from({ length }, () => 0);
const ones = (length: number): number[] => Array.from({ length }, () => 1);

const transformer = {
  ...{ patch_size: [1, 2, 2], num_attention_heads: 1, attention_head_dim: 12, text_dim: 8 },
  ...{ in_channels: 16, out_channels: 16, freq_dim: 16, ffn_dim: 16, num_layers: 1 },
};
const text_encoder = {
  ...{ vocab_size: 100, d_model: 8, d_kv: 8, d_ff: 12, num_layers: 1, num_heads: 1 },
};
const vae = { base_dim: 4, z_dim: 16, latents_mean: zeros(16), latents_std: ones(16) };
const image_encoder = {
  ...{ hidden_size: 16, intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2 },
  ...{ image_size: 28, patch_size: 14, hidden_act: 'gelu', layer_norm_eps: 1e-5 },
};

/** From text alone. */
export const textWan: WanSettings = { transformer, vae, text_encoder };

/** From a picture beside the latent, which it also sees through CLIP, as 2.1. */
export const seeingWan: WanSettings = {
  ...textWan,
  transformer: { ...transformer, in_channels: 36, image_dim: 16, added_kv_proj_dim: 12 },
  image_encoder,
};

/** From a picture beside the latent, with an expert for strong and one for weak noise, as 2.2. */
export const twoExpertWan: WanSettings = {
  ...textWan,
  transformer: { ...transformer, in_channels: 36 },
  transformer_2: { ...transformer, in_channels: 36 },
};

/** From text, or from a picture in the place of the first frame, as 2.2's small model. */
export const firstFrameWan: WanSettings = {
  text_encoder,
  transformer: { ...transformer, in_channels: 48, out_channels: 48 },
  vae: {
    ...{ base_dim: 4, decoder_base_dim: 4, z_dim: 48, is_residual: true, patch_size: 2 },
    ...{ in_channels: 12, out_channels: 12, latents_mean: zeros(48), latents_std: ones(48) },
  },
};

/** What a device on paper can do. */
export const PAPER_CAPS: Capabilities = {
  ...{ software: true, f16: false, subgroups: false, subgroupSize: { min: 1, max: 1 } },
  ...{ subgroupMatrix: [], timestamps: false, workgroupBytes: 16_384 },
  ...{ maxBindingBytes: 2 ** 31, maxBufferBytes: 2 ** 31 },
};

/** The weights that the modules ask for, small and seeded, in a safetensors file. */
function randomFile(build: (root: Scope) => void): Uint8Array<ArrayBuffer> {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const tensors = [...checkpointWeights(graph)].map(([key, { source }]) => {
    const shape = source.kind === 'weight' ? source.stored : [];
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3);
    return [key, { dtype: 'F32', shape, data }] as const;
  });
  return writeSafetensors(tensors);
}

/** Safetensors files with random weights for each part of a model. */
export function randomParts(
  settings: WanSettings,
): ReadonlyMap<ComponentName, Uint8Array<ArrayBuffer>> {
  const text = parseUmt5Config(settings.text_encoder);
  const autoencoder = readVaeConfig(settings.vae);
  const expert = (config: Config): Uint8Array<ArrayBuffer> =>
    randomFile((root) => {
      wanContext(parseWanConfig(config))(root);
      wanTransformer(parseWanConfig(config))(root);
    });
  const files = new Map<ComponentName, Uint8Array<ArrayBuffer>>([
    ['transformer', expert(settings.transformer)],
    [
      'text_encoder',
      randomFile((root) => {
        root.weight('shared.weight', [text.vocabulary, text.width]);
        for (let i = 0; i < text.layers; i++) {
          const place = `encoder.block.${i}.layer.0.SelfAttention.relative_attention_bias.weight`;
          root.weight(place, [text.buckets, text.heads]);
        }
        umt5Encoder(text)(root);
      }),
    ],
    [
      'vae',
      randomFile((root) => {
        const stream = new Histories(paperGpu(PAPER_CAPS), 'f32').stream('first');
        vaeEncoder(autoencoder, stream, () => undefined)(root);
        vaeDecoder(autoencoder, stream, () => undefined)(root);
      }),
    ],
  ]);
  if (settings.transformer_2) files.set('transformer_2', expert(settings.transformer_2));
  if (settings.image_encoder) {
    const clip = parseClipConfig(settings.image_encoder);
    files.set(
      'image_encoder',
      randomFile((root) => void clipVision(clip)(root)),
    );
  }
  return files;
}

/** A model of random weights; `opened` lists the components in the order in which they were opened. */
export function randomModel(
  settings: WanSettings,
): ComponentSource & { readonly opened: string[] } {
  const files = randomParts(settings);
  const opened: string[] = [];
  return {
    opened,
    has: (name) => files.has(name),
    config: async (name) => settings[name] ?? {},
    weights: async (name, rename) => {
      opened.push(name);
      return WeightStore.open([bytesSource(files.get(name) ?? new Uint8Array())], rename);
    },
  };
}
