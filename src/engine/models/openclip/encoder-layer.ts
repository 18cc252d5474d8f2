/** The transformer layer that CLIP's text and image towers share, and their settings. */
import { EngineError } from '../../gpu/errors.ts';
import type { Tensor } from '../../graph/graph.ts';
import { attention } from '../../graph/ops/attention.ts';
import { add, geluErf, quickGelu } from '../../graph/ops/elementwise.ts';
import { layerNorm, linear } from '../../nn/layers.ts';
import { block } from '../../nn/module.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

/** Sizes of a tower, under the names of Hugging Face's config.json. */
export type TowerConfig = {
  readonly width: number;
  readonly heads: number;
  readonly mlpDim: number;
  readonly layers: number;
  readonly eps: number;
  readonly activation: 'gelu' | 'quick_gelu';
};

/** Returns the sizes in a config.json. Throws `weights/config`. */
export function parseTower(config: Config): TowerConfig {
  const activation = config['hidden_act'] ?? 'quick_gelu';
  if (activation !== 'gelu' && activation !== 'quick_gelu') {
    throw new EngineError(
      'weights/config',
      `config.json — got ${String(activation)} for hidden_act, needs gelu or quick_gelu`,
    );
  }
  return {
    width: numberIn(config, 'hidden_size'),
    heads: numberIn(config, 'num_attention_heads'),
    mlpDim: numberIn(config, 'intermediate_size'),
    layers: numberIn(config, 'num_hidden_layers'),
    eps: numberIn(config, 'layer_norm_eps', 1e-5),
    activation,
  };
}

/** Called with intermediates, for tests. */
export type Probe = (name: string, tensor: Tensor) => void;

export type LayerOptions = {
  /** Table of score biases by distance, as `attention` takes it: a causal mask. */
  readonly bias?: Tensor | undefined;
  readonly probe?: Probe | undefined;
};

/** x [n, width] -> [n, width]: attention and feed-forward, each behind a norm. */
export const encoderLayer = ({ width, heads, mlpDim, eps, activation }: TowerConfig) => {
  const project = linear({ in: width, out: width });
  const act = activation === 'gelu' ? geluErf : quickGelu;
  return block(
    {
      'self_attn.q_proj': project,
      'self_attn.k_proj': project,
      'self_attn.v_proj': project,
      'self_attn.out_proj': project,
      layer_norm1: layerNorm({ channels: width, eps, affine: true }),
      'mlp.fc1': linear({ in: width, out: mlpDim }),
      'mlp.fc2': linear({ in: mlpDim, out: width }),
      layer_norm2: layerNorm({ channels: width, eps, affine: true }),
    },
    (m, x: Tensor, { bias, probe }: LayerOptions) => {
      const h = m.layer_norm1(x);
      const [q, k, v] = [
        m['self_attn.q_proj'](h),
        m['self_attn.k_proj'](h),
        m['self_attn.v_proj'](h),
      ];
      const attended = m['self_attn.out_proj'](attention(q, k, v, { heads, bias }));
      x = add(x, attended);
      const fed = m['mlp.fc2'](act(m['mlp.fc1'](m.layer_norm2(x))));
      const y = add(x, fed);
      Object.entries({ attn_out: attended, mlp_out: fed, out: y }).forEach(([name, tensor]) =>
        probe?.(name, tensor),
      );
      return y;
    },
  );
};
