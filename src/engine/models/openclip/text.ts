/** CLIP's text tower: tokens to rows, each seeing those before it. transformers: modeling_clip.py, CLIPTextModel. */
import { EngineError } from '../../gpu/errors.ts';
import type { Graph, Tensor } from '../../graph/graph.ts';
import { layerNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { WeightStore } from '../../weights/weight-store.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';
import type { Probe, TowerConfig } from './encoder-layer.ts';
import { encoderLayer, parseTower } from './encoder-layer.ts';

/** Weights that also give single rows. */
export type TextWeights = WeightSource & Pick<WeightStore, 'readRows'>;

export type TextConfig = TowerConfig & { readonly positions: number; readonly vocabulary: number };

/** Returns the sizes in a config.json. Throws `weights/config`. */
export const parseTextConfig = (config: Config): TextConfig => ({
  ...parseTower(config),
  positions: numberIn(config, 'max_position_embeddings'),
  vocabulary: numberIn(config, 'vocab_size'),
});

/**
 * Resolves to the embedded tokens [n, width], their positions added. Reads only the rows of `ids`.
 * Throws `text/token` for an id outside the vocabulary and `text/length` for more of them than positions.
 */
export async function readTextInputs(
  store: TextWeights,
  { width, positions, vocabulary }: TextConfig,
  ids: ArrayLike<number>,
): Promise<Float32Array> {
  const tokens = Array.from(ids);
  if (tokens.length > positions) {
    throw new EngineError(
      'text/length',
      `text — got ${tokens.length} tokens, needs ${positions} at most — shorten it`,
      { have: tokens.length, need: positions },
    );
  }
  const wrong = tokens.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary));
  if (wrong !== undefined) {
    throw new EngineError('text/token', `token — got ${wrong}, needs 0 to ${vocabulary - 1}`);
  }
  const embeddings = 'text_model.embeddings';
  const places = await store.read(`${embeddings}.position_embedding.weight`);
  const rows = new Map<number, Float32Array>();
  for (const id of new Set(tokens))
    rows.set(id, await store.readRows(`${embeddings}.token_embedding.weight`, id, id + 1));
  return Float32Array.from({ length: tokens.length * width }, (_, i) => {
    const row = rows.get(tokens[Math.floor(i / width)] ?? -1);
    return (row?.[i % width] ?? NaN) + (places[i] ?? NaN);
  });
}

/** Scores of later tokens are pushed out of sight. */
const UNSEEN = -1e30;

function causalBias(graph: Graph, heads: number, length: number): Tensor {
  const span = 2 * length - 1;
  const values = Float32Array.from({ length: heads * span }, (_, i) =>
    i % span >= length ? UNSEEN : 0,
  );
  return graph.constant('causal', values, [heads, span]);
}

export type TextOptions = {
  /** Layers at the end that are left out; both video models skip one. */
  readonly skip: number;
  /** Whether the final norm follows. */
  readonly norm?: boolean;
  readonly probe?: Probe | undefined;
};

/** Embedded tokens [n, width] -> [n, width]. */
export const textTower =
  (config: TextConfig, { skip, norm = true, probe }: TextOptions): Module<(x: Tensor) => Tensor> =>
  (scope) =>
    block(
      {
        'encoder.layers': list(config.layers - skip, () => encoderLayer(config)),
        final_layer_norm: norm
          ? layerNorm({ channels: config.width, eps: config.eps, affine: true })
          : () => undefined,
      },
      (m, x: Tensor) => {
        const bias = causalBias(scope.graph, config.heads, x.shape[0] ?? 1);
        m['encoder.layers'].forEach((run, index) => {
          x = run(x, { bias });
          probe?.(`layer.${index}`, x);
        });
        return m.final_layer_norm?.(x) ?? x;
      },
    )(scope.child('text_model'));
