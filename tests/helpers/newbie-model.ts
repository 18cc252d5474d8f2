/** A NewBie model of random weights, small enough to run in a test. */
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import type { NewbieComponent, NewbieSource } from '../../src/engine/models/newbie/request.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { ModelFiles } from '../../src/engine/weights/model-files.ts';
import { writeSafetensors } from './safetensors-writer.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { autoencoderDecoder } from '../../src/engine/models/autoencoder-kl/autoencoder.ts';
import { parseAutoencoderConfig } from '../../src/engine/models/autoencoder-kl/config.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import { Scope } from '../../src/engine/nn/module.ts';

const WIDTH = 24;
const TEXT = 20;
const POOLED = 12;

const configs = {
  transformer: {
    ...{ dim: WIDTH, n_heads: 2, n_kv_heads: 1, n_layers: 1, n_refiner_layers: 1 },
    ...{ axes_dims: [4, 4, 4], axes_lens: [32, 16, 16], in_channels: 4, patch_size: 2 },
  },
  text_encoder: {
    ...{ model_type: 'gemma3_text', vocab_size: 30, hidden_size: TEXT, intermediate_size: 28 },
    ...{ num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 6 },
  },
  clip_model: {
    ...{ vocab_size: 30, hidden_size: POOLED, num_hidden_layers: 1, num_attention_heads: 2 },
    ...{ intermediate_size: 16 },
  },
  vae: {
    ...{ latent_channels: 4, block_out_channels: [4, 8], layers_per_block: 1, norm_num_groups: 2 },
    ...{
      scaling_factor: 0.5,
      shift_factor: 0.1,
      use_quant_conv: false,
      use_post_quant_conv: false,
    },
  },
};

type Shapes = Readonly<Record<string, Shape>>;

const under = (prefix: string, shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));

/** A block of NextDiT: 2 heads of 12, 1 of keys. */
const joint = (modulated: boolean): Shapes => ({
  ...{ 'attention.qkv.weight': [48, WIDTH], 'attention.out.weight': [WIDTH, 24] },
  ...{ 'attention.q_norm.weight': [12], 'attention.k_norm.weight': [12] },
  ...{ 'feed_forward.w1.weight': [32, WIDTH], 'feed_forward.w3.weight': [32, WIDTH] },
  ...{ 'feed_forward.w2.weight': [WIDTH, 32] },
  ...{ 'attention_norm1.weight': [WIDTH], 'attention_norm2.weight': [WIDTH] },
  ...{ 'ffn_norm1.weight': [WIDTH], 'ffn_norm2.weight': [WIDTH] },
  ...(modulated && dense('adaLN_modulation.1', 4 * WIDTH, 16)),
});

const dense = (name: string, out: number, ins: number): Shapes => ({
  [`${name}.weight`]: [out, ins],
  [`${name}.bias`]: [out],
});

const transformer: Shapes = {
  ...dense('x_embedder', WIDTH, 16),
  ...dense('t_embedder.mlp.0', 16, 8),
  ...dense('t_embedder.mlp.2', 16, 16),
  'cap_embedder.0.weight': [TEXT],
  ...dense('cap_embedder.1', WIDTH, TEXT),
  'clip_text_pooled_proj.0.weight': [POOLED],
  ...dense('clip_text_pooled_proj.1', POOLED, POOLED),
  ...dense('time_text_embed.1', 16, 16 + POOLED),
  ...under('noise_refiner.0.', joint(true)),
  ...under('context_refiner.0.', joint(false)),
  ...under('layers.0.', joint(true)),
  ...dense('final_layer.linear', 16, WIDTH),
  ...dense('final_layer.adaLN_modulation.1', WIDTH, 16),
};

/** 2 heads of 6, 1 of keys; the second layer is never run. */
const gemma: Shapes = {
  'model.embed_tokens.weight': [30, TEXT],
  ...under('model.layers.0.', {
    ...{ 'self_attn.q_proj.weight': [12, TEXT], 'self_attn.k_proj.weight': [6, TEXT] },
    ...{ 'self_attn.v_proj.weight': [6, TEXT], 'self_attn.o_proj.weight': [TEXT, 12] },
    ...{ 'self_attn.q_norm.weight': [6], 'self_attn.k_norm.weight': [6] },
    ...{ 'mlp.gate_proj.weight': [28, TEXT], 'mlp.up_proj.weight': [28, TEXT] },
    ...{ 'mlp.down_proj.weight': [TEXT, 28], 'input_layernorm.weight': [TEXT] },
    ...{ 'post_attention_layernorm.weight': [TEXT], 'pre_feedforward_layernorm.weight': [TEXT] },
    ...{ 'post_feedforward_layernorm.weight': [TEXT] },
  }),
};

const norm = (name: string): Shapes => ({
  [`${name}.weight`]: [POOLED],
  [`${name}.bias`]: [POOLED],
});

const jina: Shapes = under('model.', {
  'embeddings.word_embeddings.weight': [30, POOLED],
  'embeddings.token_type_embeddings.weight': [1, POOLED],
  ...norm('emb_ln'),
  ...under('encoder.layers.0.', {
    ...dense('mixer.Wqkv', 3 * POOLED, POOLED),
    ...dense('mixer.out_proj', POOLED, POOLED),
    ...norm('norm1'),
    ...dense('mlp.fc1', 16, POOLED),
    ...dense('mlp.fc2', POOLED, 16),
    ...norm('norm2'),
  }),
});

function vaeShapes(): Shapes {
  const graph = new Graph({ precision: 'f32' });
  autoencoderDecoder(parseAutoencoderConfig(configs.vae))(new Scope(graph));
  const all = [...checkpointWeights(graph)].map(([key, { source }]) => [
    key,
    source.kind === 'weight' ? source.stored : [],
  ]);
  return Object.fromEntries(all) as Shapes;
}

const fileOf = (shapes: Shapes): Uint8Array<ArrayBuffer> =>
  writeSafetensors(
    Object.entries(shapes).map(([key, shape]) => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3);
      return [key, { dtype: 'F32', shape, data }] as const;
    }),
  );

/** The parts of a model with random weights: settings and a safetensors file each. */
export function newbieParts(): ReadonlyMap<
  NewbieComponent,
  { readonly config: Readonly<Record<string, unknown>>; readonly file: Uint8Array<ArrayBuffer> }
> {
  const shapes = { transformer, text_encoder: gemma, clip_model: jina, vae: vaeShapes() };
  const names = ['transformer', 'text_encoder', 'clip_model', 'vae'] as const;
  return new Map(
    names.map((name) => [name, { config: configs[name], file: fileOf(shapes[name]) }]),
  );
}

/** A model of random weights; `opened` lists the components in the order in which they were opened. */
export function randomNewbie(): NewbieSource & { readonly opened: NewbieComponent[] } {
  const parts = newbieParts();
  const opened: NewbieComponent[] = [];
  return {
    opened,
    config: async (name) => parts.get(name)?.config ?? {},
    weights: async (name, rename) => {
      opened.push(name);
      const file = parts.get(name)?.file ?? new Uint8Array();
      return WeightStore.open([bytesSource(file)], rename);
    },
  };
}

/** A tokenizer.json of the kind that both encoders have, with few pieces. */
export function tokenizerFile(pieces: readonly string[]): Uint8Array {
  const json = {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: null,
    decoder: null,
    model: { type: 'Unigram', unk_id: 0, vocab: pieces.map((piece, i) => [piece, -i]) },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

/** The files of that model, with tokenizers that know a red bird. */
export function newbieFiles(): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>([
    ['text_encoder/tokenizer.json', tokenizerFile(['<unk>', '<bos>', '▁red', '▁bird'])],
    ['clip_model/tokenizer.json', tokenizerFile(['<unk>', '<s>', '</s>', '▁bird', '▁red'])],
  ]);
  for (const [name, { config, file }] of newbieParts()) {
    files.set(`${name}/config.json`, new TextEncoder().encode(JSON.stringify(config)));
    files.set(`${name}/model.safetensors`, file);
  }
  return files;
}

/** The same as a folder. */
export function newbieFolder(): ModelFiles {
  const files = newbieFiles();
  return {
    paths: [...files.keys()],
    open: async (path) => {
      const file = files.get(path);
      return file && bytesSource(file);
    },
  };
}
