/** Sizes of a wav2vec2 encoder, from its Hugging Face config.json. */
import { EngineError } from '../../gpu/errors.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

export type ConvSize = {
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
};

export type Wav2Vec2Config = {
  readonly width: number;
  readonly heads: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly eps: number;
  /** The convolutions from samples to frames, first to last. */
  readonly convs: readonly ConvSize[];
  readonly convBias: boolean;
  /** Taps and channel groups of the convolution that tells positions. */
  readonly positions: { readonly kernel: number; readonly groups: number };
};

/** Returns the sizes. Throws `weights/config` for kinds of wav2vec2 that no avatar model uses. */
export function parseWav2Vec2Config(config: Config): Wav2Vec2Config {
  demand(config, 'feat_extract_norm', 'layer');
  demand(config, 'do_stable_layer_norm', true);
  demand(config, 'feat_extract_activation', 'gelu');
  demand(config, 'hidden_act', 'gelu');
  const [channels, kernels, strides] = ['conv_dim', 'conv_kernel', 'conv_stride'].map((key) =>
    numbersIn(config, key),
  );
  if (channels?.length !== kernels?.length || channels?.length !== strides?.length) {
    throw refusal('conv_dim', config['conv_dim'], 'as many entries as conv_kernel and conv_stride');
  }
  return {
    width: numberIn(config, 'hidden_size'),
    heads: numberIn(config, 'num_attention_heads'),
    ffnDim: numberIn(config, 'intermediate_size'),
    layers: numberIn(config, 'num_hidden_layers'),
    eps: numberIn(config, 'layer_norm_eps', 1e-5),
    convs: (channels ?? []).map((each, i) => ({
      channels: each,
      kernel: kernels?.[i] ?? 1,
      stride: strides?.[i] ?? 1,
    })),
    convBias: config['conv_bias'] !== false,
    positions: {
      kernel: numberIn(config, 'num_conv_pos_embeddings'),
      groups: numberIn(config, 'num_conv_pos_embedding_groups'),
    },
  };
}

/** Returns how many frames come of `samples`; 0 or less where they are too few for one. */
export const framesOfSamples = ({ convs }: Wav2Vec2Config, samples: number): number =>
  convs.reduce((n, { kernel, stride }) => Math.floor((n - kernel) / stride) + 1, samples);

/** Returns the samples that `frames` frames are made of, and how many further the next frame starts. */
export function samplesOfFrames(
  { convs }: Wav2Vec2Config,
  frames: number,
): { readonly samples: number; readonly hop: number } {
  const samples = convs
    .toReversed()
    .reduce((n, { kernel, stride }) => (n - 1) * stride + kernel, frames);
  return { samples, hop: convs.reduce((n, { stride }) => n * stride, 1) };
}

function numbersIn(config: Config, key: string): readonly number[] {
  const value = config[key];
  if (Array.isArray(value) && value.every((n): n is number => Number.isInteger(n) && n > 0)) {
    return value;
  }
  throw refusal(key, value, 'a list of whole numbers');
}

function demand(config: Config, key: string, want: string | boolean): void {
  if (config[key] !== want) throw refusal(key, config[key], JSON.stringify(want));
}

const refusal = (key: string, have: unknown, need: string): EngineError =>
  new EngineError(
    'weights/config',
    `wav2vec2 config.json — got ${JSON.stringify(have)} for ${key}, needs ${need} — use the encoder of the avatar model`,
  );
