/**
 * The text tower of Jina CLIP v2: XLM-RoBERTa with rotary positions, norms after each part. Every token sees every other.
 * Reference: transformers, JinaEmbeddingsV3Model.
 */
import type { Tensor } from '../../graph/graph.ts';
import { attention, rope } from '../../graph/ops/attention.ts';
import { add, geluErf } from '../../graph/ops/elementwise.ts';
import { axisRopeTable, ropeRates } from '../../kernels/rope.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import { headLayout } from '../../weights/head-padding.ts';
import type { JinaConfig } from './config.ts';

/** Called with intermediates, for tests. */
export type Probe = (name: string, tensor: Tensor) => void;

const encoderLayer = ({ width, heads, headDim, ffnDim, eps }: JinaConfig) => {
  const inner = heads * headLayout(headDim, 'half').padded;
  const project = linear({ in: width, out: inner });
  const norm = layerNorm({ channels: width, eps, affine: true });
  return block(
    {
      'mixer.q': project,
      'mixer.k': project,
      'mixer.v': project,
      'mixer.out_proj': linear({ in: inner, out: width }),
      norm1: norm,
      'mlp.fc1': linear({ in: width, out: ffnDim }),
      'mlp.fc2': linear({ in: ffnDim, out: width }),
      norm2: norm,
    },
    (m, input: Tensor, table: Tensor) => {
      const turn = (y: Tensor): Tensor => rope(y, table, { heads, pairing: 'half' });
      const [q, k, v] = [turn(m['mixer.q'](input)), turn(m['mixer.k'](input)), m['mixer.v'](input)];
      const attended = attention(q, k, v, { heads, scale: 1 / Math.sqrt(headDim) });
      const x = m.norm1(add(m['mixer.out_proj'](attended), input));
      return m.norm2(add(m['mlp.fc2'](geluErf(m['mlp.fc1'](x))), x));
    },
  );
};

/** Returns the last hidden state [n, width] for the summed embeddings of n tokens, from `jinaWeights`. */
export const jinaEncoder =
  (config: JinaConfig): Module<(embeddings: Float32Array, probe?: Probe) => Tensor> =>
  (scope) => {
    const { graph } = scope;
    graph.keepActivations();
    const { width, headDim, theta, eps, layers } = config;
    const first = layerNorm({ channels: width, eps, affine: true })(scope.child('emb_ln'));
    const blocks = list(layers, () => encoderLayer(config))(scope.child('encoder.layers'));
    const rates = ropeRates(headDim, theta);
    const { padded } = headLayout(headDim, 'half');
    return (embeddings, probe) => {
      const n = embeddings.length / width;
      const positions = Array.from({ length: n }, (_, i) => [i]);
      const angles = axisRopeTable(positions, [rates], padded);
      const table = graph.constant('angles', angles, [n, padded]);
      let x = first(graph.constant('embeddings', embeddings, [n, width]));
      probe?.('hidden_states.0', x);
      blocks.forEach((run, index) => {
        x = run(x, table);
        probe?.(`hidden_states.${index + 1}`, x);
      });
      return x;
    };
  };

/** Returns the mean of the rows of the last hidden state: the pooled text. */
export function meanOfRows(rows: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  rows.forEach((value, i) => (sums[i % width] = (sums[i % width] ?? 0) + value));
  return Float32Array.from(sums, (sum) => sum / (rows.length / width));
}
