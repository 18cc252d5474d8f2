/** A model that speaks, at the released shapes or tiny ones, whose weights are random and made on the device. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import type { DeviceTensor } from '../../src/engine/gpu/tensor.ts';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import type { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { Config } from '../../src/engine/models/config-json.ts';
import type { ComponentName, ComponentSource } from '../../src/engine/models/wan/components.ts';
import { numberIn } from '../../src/engine/models/config-json.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { RandomFill } from '../random-weights.ts';

type Configs = Readonly<Partial<Record<ComponentName, Config>>>;

const HEARING: Config = {
  ...{ hidden_size: 1024, num_attention_heads: 16, intermediate_size: 4096 },
  ...{ num_hidden_layers: 24, feat_extract_norm: 'layer', do_stable_layer_norm: true },
  ...{ hidden_act: 'gelu', feat_extract_activation: 'gelu' },
  conv_dim: [512, 512, 512, 512, 512, 512, 512],
  conv_kernel: [10, 3, 3, 3, 3, 2, 2],
  conv_stride: [5, 2, 2, 2, 2, 2, 2],
  ...{ num_conv_pos_embeddings: 128, num_conv_pos_embedding_groups: 16 },
};

/** Wan 2.2 S2V-14B with its encoders. */
const FULL: Configs = {
  transformer: {
    ...{ dim: 5120, num_heads: 40, ffn_dim: 13_824, num_layers: 40, in_dim: 16, out_dim: 16 },
    ...{ freq_dim: 256, text_dim: 4096, text_len: 512, audio_dim: 1024, num_audio_token: 4 },
    ...{ audio_inject_layers: [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39], cond_dim: 16 },
  },
  vae: { dim: 96, z_dim: 16 },
  text_encoder: {
    ...{ vocab_size: 256_384, d_model: 4096, d_kv: 64, d_ff: 10_240, num_layers: 24 },
    num_heads: 64,
  },
  audio_encoder: HEARING,
};

const TINY: Configs = {
  transformer: {
    ...{ ...FULL.transformer, dim: 64, num_heads: 4, ffn_dim: 64, num_layers: 2 },
    ...{ freq_dim: 16, text_dim: 8, audio_dim: 8, audio_inject_layers: [0] },
  },
  vae: { dim: 8, z_dim: 16 },
  text_encoder: { vocab_size: 100, d_model: 8, d_kv: 8, d_ff: 12, num_layers: 1, num_heads: 1 },
  audio_encoder: {
    ...{ ...HEARING, hidden_size: 8, num_attention_heads: 1, intermediate_size: 8 },
    ...{ num_hidden_layers: 2, conv_dim: [4, 4, 4, 4, 4, 4, 4] },
    ...{ num_conv_pos_embeddings: 4, num_conv_pos_embedding_groups: 2 },
  },
};

/** Holds nothing: values are made where they lie on the device, and the few that the CPU reads when it asks. */
class RandomStore extends WeightStore {
  readonly #random: RandomFill;
  readonly #configs: Configs;

  constructor(random: RandomFill, configs: Configs) {
    super([]);
    this.#random = random;
    this.#configs = configs;
  }

  override has(): boolean {
    return true;
  }

  fill(weights: ReadonlyMap<string, Tensor>, get: (key: string) => DeviceTensor): Promise<void> {
    return this.#random.fill(weights, get);
  }

  /** How the states of the sound encoder are mixed, or the biases of relative positions. */
  override async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const { audio_encoder: hearing = {}, text_encoder: text = {} } = this.#configs;
    return name === 'casual_audio_encoder.weights'
      ? new Float32Array(numberIn(hearing, 'num_hidden_layers') + 1).fill(1)
      : new Float32Array(32 * numberIn(text, 'num_heads')).fill(0.1);
  }

  /** Rows of the embedding table. */
  override async readRows(
    _name: string,
    first: number,
    end: number,
  ): Promise<Float32Array<ArrayBuffer>> {
    const width = numberIn(this.#configs.text_encoder ?? {}, 'd_model');
    return Float32Array.from({ length: (end - first) * width }, (_, i) =>
      Math.sin(first * width + i),
    );
  }
}

/** Returns the parts of the model; it has no low-rank weights beside the base. */
export function randomAvatar(gpu: Gpu, pipelines: PipelineCache, tiny: boolean): ComponentSource {
  const configs = tiny ? TINY : FULL;
  const store = new RandomStore(new RandomFill(gpu, pipelines), configs);
  return {
    has: (name) => configs[name] !== undefined,
    config: (name) => Promise.resolve(configs[name] ?? {}),
    weights: () => Promise.resolve(store),
  };
}
