/** Tensor names of the original repository's text and image encoders, asked for by their Hugging Face names. */
import type { Alias, Rename } from '../../weights/weight-store.ts';

const UMT5: readonly (readonly [RegExp, string])[] = [
  [/^shared\.weight$/, 'token_embedding.weight'],
  [/^encoder\.final_layer_norm\./, 'norm.'],
  [
    /^encoder\.block\.(\d+)\.layer\.0\.SelfAttention\.relative_attention_bias\./,
    'blocks.$1.pos_embedding.embedding.',
  ],
  [/^encoder\.block\.(\d+)\.layer\.0\.SelfAttention\./, 'blocks.$1.attn.'],
  [/^encoder\.block\.(\d+)\.layer\.0\.layer_norm\./, 'blocks.$1.norm1.'],
  [/^encoder\.block\.(\d+)\.layer\.1\.layer_norm\./, 'blocks.$1.norm2.'],
  [/^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wi_0\./, 'blocks.$1.ffn.gate.0.'],
  [/^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wi_1\./, 'blocks.$1.ffn.fc1.'],
  [/^encoder\.block\.(\d+)\.layer\.1\.DenseReluDense\.wo\./, 'blocks.$1.ffn.fc2.'],
];

const CLIP: readonly (readonly [RegExp, string])[] = [
  [/^vision_model\.embeddings\.class_embedding$/, 'visual.cls_embedding'],
  [/^vision_model\.embeddings\.patch_embedding\./, 'visual.patch_embedding.'],
  [/^vision_model\.embeddings\.position_embedding\.weight$/, 'visual.pos_embedding'],
  [/^vision_model\.pre_layrnorm\./, 'visual.pre_norm.'],
  [/^vision_model\.post_layernorm\./, 'visual.post_norm.'],
  [/^vision_model\.encoder\.layers\.(\d+)\.layer_norm([12])\./, 'visual.transformer.$1.norm$2.'],
  [
    /^vision_model\.encoder\.layers\.(\d+)\.self_attn\.out_proj\./,
    'visual.transformer.$1.attn.proj.',
  ],
  [/^vision_model\.encoder\.layers\.(\d+)\.mlp\.fc1\./, 'visual.transformer.$1.mlp.0.'],
  [/^vision_model\.encoder\.layers\.(\d+)\.mlp\.fc2\./, 'visual.transformer.$1.mlp.2.'],
];

const rename = (rules: typeof CLIP, name: string): string | undefined => {
  const rule = rules.find(([pattern]) => pattern.test(name));
  return rule && name.replace(rule[0], rule[1]);
};

/** Returns the original name of a UMT5 encoder tensor. */
export const renameUmt5: Rename = (name) => rename(UMT5, name);

const QKV = /^vision_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$/;

/** Returns the renames of a CLIP image encoder of this width: q, k and v are rows of one tensor in the original. */
export const renameClip =
  (width: number): Rename =>
  (name): Alias | undefined => {
    const [, layer, part, kind] = QKV.exec(name) ?? [];
    if (part === undefined) return rename(CLIP, name);
    const first = 'qkv'.indexOf(part) * width;
    return {
      name: `visual.transformer.${layer}.attn.to_qkv.${kind}`,
      rows: [first, first + width],
    };
  };
