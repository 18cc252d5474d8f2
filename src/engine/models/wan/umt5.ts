/** UMT5 encoder: token ids to text rows, at the true length of the text. */
import { EngineError } from '../../gpu/errors.ts';
import type { Tensor } from '../../graph/graph.ts';
import { attention } from '../../graph/ops/attention.ts';
import { add, geluTanh, mul } from '../../graph/ops/elementwise.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear, rmsNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import type { WeightStore } from '../../weights/weight-store.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';
import type { Probe } from './context.ts';

export type Umt5Config = {
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly buckets: number;
  readonly maxDistance: number;
  readonly eps: number;
};

/** Returns the sizes in a Hugging Face config.json. Throws `weights/config`. */
export const parseUmt5Config = (config: Config): Umt5Config => ({
  vocabulary: numberIn(config, 'vocab_size'),
  width: numberIn(config, 'd_model'),
  heads: numberIn(config, 'num_heads'),
  headDim: numberIn(config, 'd_kv'),
  ffnDim: numberIn(config, 'd_ff'),
  layers: numberIn(config, 'num_layers'),
  buckets: numberIn(config, 'relative_attention_num_buckets', 32),
  maxDistance: numberIn(config, 'relative_attention_max_distance', 128),
  eps: numberIn(config, 'layer_norm_epsilon', 1e-6),
});

/**
 * Returns the bucket of a relative position, key − query: one for each of the nearest positions, wider ones beyond,
 * in logarithmic steps up to `maxDistance`; the upper half of the buckets is for keys after the query.
 */
export function relativeBucket(relative: number, buckets: number, maxDistance: number): number {
  const side = Math.floor(buckets / 2);
  const offset = relative > 0 ? side : 0;
  const distance = Math.abs(relative);
  const exact = Math.floor(side / 2);
  if (distance < exact) return offset + distance;
  // In f32 as the reference has it, which decides on which side of a step a distance falls.
  const far = Math.fround(Math.log(Math.fround(distance / exact)));
  const step = Math.fround(Math.fround(far / Math.log(maxDistance / exact)) * (side - exact));
  return offset + Math.min(side - 1, exact + Math.floor(step));
}

/** What the encoder needs beside its matrices, read and arranged on the CPU. */
export type Umt5Inputs = {
  /** Rows of the embedding table for the ids: [n, width]. */
  readonly embeddings: Float32Array;
  /** For each layer the bias of each head at key − query + n − 1: [heads, 2n − 1]. */
  readonly biases: readonly Float32Array[];
};

const EMBEDDINGS = ['shared.weight', 'encoder.embed_tokens.weight'] as const;

/** Returns the inputs for `ids`; reads just their rows of the embedding table. Throws `text/token` for an unknown id. */
export async function readUmt5Inputs(
  store: WeightStore,
  config: Umt5Config,
  ids: ArrayLike<number>,
): Promise<Umt5Inputs> {
  const { width, heads, buckets, maxDistance, vocabulary } = config;
  const n = ids.length;
  const table = EMBEDDINGS.find((name) => store.has(name)) ?? EMBEDDINGS[0];
  const embeddings = new Float32Array(n * width);
  for (let i = 0; i < n; i++) {
    const id = ids[i] ?? -1;
    if (!(Number.isInteger(id) && id >= 0 && id < vocabulary)) {
      throw new EngineError(
        'text/token',
        `token ${i} — got id ${id}, needs 0 to ${vocabulary - 1}`,
      );
    }
    embeddings.set(await store.readRows(table, id, id + 1), i * width);
  }
  const biases: Float32Array[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const byBucket = await store.read(`${attentionPath(layer)}.relative_attention_bias.weight`);
    const bias = new Float32Array(heads * (2 * n - 1));
    for (let relative = 1 - n; relative < n; relative++) {
      const bucket = relativeBucket(relative, buckets, maxDistance);
      for (let head = 0; head < heads; head++)
        bias[head * (2 * n - 1) + relative + n - 1] = byBucket[bucket * heads + head] ?? NaN;
    }
    biases.push(bias);
  }
  return { embeddings, biases };
}

const attentionPath = (layer: number): string => `encoder.block.${layer}.layer.0.SelfAttention`;

const attentionLayer = ({ width, heads, headDim, eps }: Umt5Config) => {
  const project = linear({ in: width, out: heads * headDim, bias: false });
  return block(
    {
      'SelfAttention.q': project,
      'SelfAttention.k': project,
      'SelfAttention.v': project,
      'SelfAttention.o': linear({ in: heads * headDim, out: width, bias: false }),
      layer_norm: rmsNorm({ channels: width, eps }),
    },
    (m, x: Tensor, bias: Tensor) => {
      const h = m.layer_norm(x);
      const [q, k, v] = [m['SelfAttention.q'](h), m['SelfAttention.k'](h), m['SelfAttention.v'](h)];
      return m['SelfAttention.o'](attention(q, k, v, { heads, scale: 1, bias }));
    },
  );
};

/** The gated product and what comes of it outgrow f16. */
const feedForward = ({ width, ffnDim, eps }: Umt5Config): Module<Layer> =>
  block(
    {
      'DenseReluDense.wi_0': linear({ in: width, out: ffnDim, bias: false, dtype: 'f32' }),
      'DenseReluDense.wi_1': linear({ in: width, out: ffnDim, bias: false, dtype: 'f32' }),
      'DenseReluDense.wo': linear({ in: ffnDim, out: width, bias: false, dtype: 'f32' }),
      layer_norm: rmsNorm({ channels: width, eps }),
    },
    (m, x: Tensor) => {
      const h = m.layer_norm(x);
      return m['DenseReluDense.wo'](
        mul(geluTanh(m['DenseReluDense.wi_0'](h)), m['DenseReluDense.wi_1'](h)),
      );
    },
  );

const encoderBlock = (config: Umt5Config) =>
  block(
    { 'layer.0': attentionLayer(config), 'layer.1': feedForward(config) },
    (m, x: Tensor, bias: Tensor, probe: Probe | undefined) => {
      const attended = m['layer.0'](x, bias);
      x = add(x, attended);
      const fed = m['layer.1'](x);
      const y = add(x, fed);
      Object.entries({ attn_out: attended, ffn_out: fed, out: y }).forEach(([name, tensor]) =>
        probe?.(name, tensor),
      );
      return y;
    },
  );

/** Returns the text rows [n, width], in f32. transformers: modeling_umt5.py, UMT5EncoderModel. */
export const umt5Encoder = (
  config: Umt5Config,
): Module<(inputs: Umt5Inputs, probe?: Probe) => Tensor> => {
  const { width, heads, eps, layers } = config;
  return (scope) => {
    const { graph } = scope;
    graph.keepActivations();
    const encoder = scope.child('encoder');
    const blocks = list(layers, () => encoderBlock(config))(encoder.child('block'));
    const last = rmsNorm({ channels: width, eps })(encoder.child('final_layer_norm'));
    return ({ embeddings, biases }, probe) => {
      const n = embeddings.length / width;
      let x = graph.constant('embeddings', embeddings, [n, width]);
      blocks.forEach((run, index) => {
        const bias = graph.constant(`bias ${index}`, biases[index] ?? [], [heads, 2 * n - 1]);
        x = run(x, bias, probe && ((name, tensor) => probe(`block${index}.${name}`, tensor)));
      });
      return last(x);
    };
  };
};
