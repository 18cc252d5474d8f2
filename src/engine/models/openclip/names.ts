/** Tensor names of OpenCLIP checkpoints, asked for by their Hugging Face names. */
import type { Alias, Rename } from '../../weights/weight-store.ts';

type Rules = readonly (readonly [RegExp, string])[];

const LAYER: Rules = [
  [/\.layer_norm([12])\./, '.ln_$1.'],
  [/\.self_attn\.out_proj\./, '.attn.out_proj.'],
  [/\.mlp\.fc1\./, '.mlp.c_fc.'],
  [/\.mlp\.fc2\./, '.mlp.c_proj.'],
];

const TEXT: Rules = [
  [/^text_model\.embeddings\.token_embedding\.weight$/, 'token_embedding.weight'],
  [/^text_model\.embeddings\.position_embedding\.weight$/, 'positional_embedding'],
  [/^text_model\.final_layer_norm\./, 'ln_final.'],
  [/^text_model\.encoder\.layers\./, 'transformer.resblocks.'],
  ...LAYER,
];

const VISION: Rules = [
  [/^vision_model\.embeddings\.class_embedding$/, 'visual.class_embedding'],
  [/^vision_model\.embeddings\.position_embedding\.weight$/, 'visual.positional_embedding'],
  [/^vision_model\.embeddings\.patch_embedding\./, 'visual.conv1.'],
  [/^vision_model\.pre_layrnorm\./, 'visual.ln_pre.'],
  [/^vision_model\.post_layernorm\./, 'visual.ln_post.'],
  [/^vision_model\.encoder\.layers\./, 'visual.transformer.resblocks.'],
  ...LAYER,
];

/** q, k and v are rows of one tensor in the original. */
const QKV = /\.self_attn\.([qkv])_proj\.(weight|bias)$/;

const renameTower =
  (rules: Rules, prefix: string, width: number): Rename =>
  (name): Alias => {
    const moved = prefix + rules.reduce((n, [from, to]) => n.replace(from, to), name);
    const [, part, kind] = QKV.exec(moved) ?? [];
    if (part === undefined) return moved;
    const first = 'qkv'.indexOf(part) * width;
    return {
      name: moved.replace(QKV, `.attn.in_proj_${kind}`),
      rows: [first, first + width],
    };
  };

/** Returns the renames of a text tower of this width whose names begin with `prefix`. */
export const renameOpenClipText = (width: number, prefix: string): Rename =>
  renameTower(TEXT, prefix, width);

/** Returns the renames of an image tower of this width whose names begin with `prefix`. */
export const renameOpenClipVision = (width: number, prefix: string): Rename =>
  renameTower(VISION, prefix, width);
