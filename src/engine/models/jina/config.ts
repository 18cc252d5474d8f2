/** Sizes of the Jina CLIP v2 text tower. */
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

export type JinaConfig = {
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly eps: number;
  readonly theta: number;
  /** Id that pads texts in batches, and that no real token has. */
  readonly padId: number;
  /** Factor on the low-rank adapter that released files keep apart: alpha / rank. */
  readonly adapterScale: number;
};

/** Returns the sizes in a config.json; what is left out is as released. Throws `weights/config`. */
export function parseJinaConfig(config: Config): JinaConfig {
  const width = numberIn(config, 'hidden_size', 1024);
  const heads = numberIn(config, 'num_attention_heads', 16);
  return {
    vocabulary: numberIn(config, 'vocab_size', 250_002),
    width,
    heads,
    headDim: width / heads,
    ffnDim: numberIn(config, 'intermediate_size', 4 * width),
    layers: numberIn(config, 'num_hidden_layers', 24),
    eps: numberIn(config, 'layer_norm_eps', 1e-5),
    theta: numberIn(config, 'rope_theta', numberIn(config, 'rotary_emb_base', 20_000)),
    padId: numberIn(config, 'pad_token_id', 1),
    adapterScale: numberIn(config, 'lora_alpha', 4) / numberIn(config, 'lora_rank', 4),
  };
}
