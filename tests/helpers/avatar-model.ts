/** A model that speaks, with few layers and random weights, in memory or in a folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import { Graph, checkpointWeights } from '../../src/engine/graph/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { audioEncoder } from '../../src/engine/models/live-avatar/audio-encoder.ts';
import { soundKeys } from '../../src/engine/models/live-avatar/audio-injector.ts';
import { parseAvatarConfig } from '../../src/engine/models/live-avatar/config.ts';
import { avatarBody, avatarHead, modulation } from '../../src/engine/models/live-avatar/s2v.ts';
import { conditionTokens, noisyTokens } from '../../src/engine/models/live-avatar/tokens.ts';
import { parseWav2Vec2Config } from '../../src/engine/models/live-avatar/wav2vec2-config.ts';
import { featureExtractor, wav2vec2 } from '../../src/engine/models/live-avatar/wav2vec2.ts';
import type { Config } from '../../src/engine/models/config-json.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { parseUmt5Config, umt5Encoder } from '../../src/engine/models/wan/umt5.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../../src/engine/models/wan/vae-decoder.ts';
import { vaeEncoder } from '../../src/engine/models/wan/vae-encoder.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { ModelFiles } from '../../src/engine/weights/model-files.ts';
import { writeSafetensors } from './safetensors-writer.ts';

const TOKENIZER = join(import.meta.dirname, '../fixtures/tokenizers/umt5.json');
/** Entries of that tokenizer, and a few more. */
const VOCABULARY = 104;

/** Enough of a stream for modules that only name their weights. */
const stream = {
  part: 'image',
  history: () => {
    throw new Error('nothing runs');
  },
} as const;

const zeros = Array.from({ length: 16 }, () => 0);
const STATES = 3;
const configs: Readonly<Record<string, Config>> = {
  transformer: {
    ...{ dim: 16, num_heads: 1, ffn_dim: 16, num_layers: 2, in_dim: 16, out_dim: 16 },
    ...{ freq_dim: 16, text_dim: 8, text_len: 20, audio_dim: 8, num_audio_token: 4 },
    ...{ audio_inject_layers: [0], cond_dim: 16 },
  },
  vae: {
    ...{ base_dim: 4, dim_mult: [1, 1, 1, 1], num_res_blocks: 1, z_dim: 16 },
    ...{ latents_mean: zeros, latents_std: zeros.map(() => 1) },
  },
  text_encoder: {
    ...{ vocab_size: VOCABULARY, d_model: 8, d_kv: 8, d_ff: 12, num_layers: 1, num_heads: 1 },
  },
  audio_encoder: {
    ...{ hidden_size: 8, num_attention_heads: 1, intermediate_size: 8, num_hidden_layers: 2 },
    ...{ feat_extract_norm: 'layer', do_stable_layer_norm: true, hidden_act: 'gelu' },
    ...{ feat_extract_activation: 'gelu', conv_dim: [4, 4, 4], conv_kernel: [10, 8, 8] },
    ...{ conv_stride: [5, 8, 8], num_conv_pos_embeddings: 4, num_conv_pos_embedding_groups: 2 },
  },
};

type Shapes = Readonly<Record<string, readonly number[]>>;

/** The weights that the modules ask for, small and seeded, in a safetensors file; `more` are others, `less` are left out. */
function randomFile(build: (root: Scope) => void, more: Shapes = {}, less = /^$/): Uint8Array {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const asked = [...checkpointWeights(graph)].map(([key, { source }]) => {
    return [key, source.kind === 'weight' ? source.stored : []] as const;
  });
  const all = [...asked.filter(([key]) => !less.test(key)), ...Object.entries(more)];
  const tensors = all.map(([key, shape]) => {
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3 + 0.05);
    return [key, { dtype: 'F32', shape: [...shape], data }] as const;
  });
  return writeSafetensors(tensors);
}

/** The files of a model that speaks: few layers, random weights, names and folders as released. */
export function avatarFiles(): ReadonlyMap<string, Uint8Array> {
  const avatar = parseAvatarConfig(configs['transformer'] ?? {});
  const vae = readVaeConfig(configs['vae'] ?? {});
  const text = parseUmt5Config(configs['text_encoder'] ?? {});
  const hearing = parseWav2Vec2Config(configs['audio_encoder'] ?? {});
  const conv = 'wav2vec2.encoder.pos_conv_embed.conv';
  const weights: Readonly<Record<string, Uint8Array>> = {
    transformer: randomFile(
      (root) => {
        for (const part of [wanContext, modulation, noisyTokens, conditionTokens, audioEncoder])
          part(avatar)(root);
        for (const part of [soundKeys, avatarBody, avatarHead]) part(avatar)(root);
      },
      { 'casual_audio_encoder.weights': [1, STATES, 1, 1] },
    ),
    vae: randomFile((root) => {
      vaeEncoder(vae, stream, () => undefined)(root);
      vaeDecoder(vae, stream, () => undefined)(root);
    }),
    text_encoder: randomFile((root) => {
      root.weight('shared.weight', [VOCABULARY, 8]);
      const place = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
      root.weight(place, [text.buckets, text.heads]);
      umt5Encoder(text)(root);
    }),
    audio_encoder: randomFile(
      (root) => {
        featureExtractor(hearing)(root);
        wav2vec2(hearing)(root);
      },
      { [`${conv}.weight_g`]: [1, 1, 4], [`${conv}.weight_v`]: [8, 4, 4], [`${conv}.bias`]: [8] },
      /pos_conv_embed\.conv\.\d/,
    ),
  };
  const encode = (config: Config): Uint8Array => new TextEncoder().encode(JSON.stringify(config));
  return new Map([
    ...Object.entries(weights).map(([part, file]) => [`${part}/model.safetensors`, file] as const),
    ...Object.entries(configs).map(
      ([part, each]) => [`${part}/config.json`, encode(each)] as const,
    ),
    ['tokenizer/tokenizer.json', readFileSync(TOKENIZER)],
  ]);
}

/** Returns files in memory as a folder. */
export const filesIn = (files: ReadonlyMap<string, Uint8Array>): ModelFiles => ({
  paths: [...files.keys()],
  open: async (path) => {
    const file = files.get(path);
    return file && bytesSource(file);
  },
});
