/** Tensor names of the Wan transformer in the original repository, asked for by their diffusers names. */
import type { Rename } from '../../weights/weight-store.ts';

/** Diffusers spelling -> original spelling of a path segment group; the first that matches is used. */
const RULES: readonly (readonly [RegExp, string])[] = [
  [/^condition_embedder\.time_embedder\.linear_1\./, 'time_embedding.0.'],
  [/^condition_embedder\.time_embedder\.linear_2\./, 'time_embedding.2.'],
  [/^condition_embedder\.time_proj\./, 'time_projection.1.'],
  [/^condition_embedder\.text_embedder\.linear_1\./, 'text_embedding.0.'],
  [/^condition_embedder\.text_embedder\.linear_2\./, 'text_embedding.2.'],
  [/^condition_embedder\.image_embedder\.norm1\./, 'img_emb.proj.0.'],
  [/^condition_embedder\.image_embedder\.ff\.net\.0\.proj\./, 'img_emb.proj.1.'],
  [/^condition_embedder\.image_embedder\.ff\.net\.2\./, 'img_emb.proj.3.'],
  [/^condition_embedder\.image_embedder\.norm2\./, 'img_emb.proj.4.'],
  [/^condition_embedder\.image_embedder\.pos_embed$/, 'img_emb.emb_pos'],
  [/^scale_shift_table$/, 'head.modulation'],
  [/^proj_out\./, 'head.head.'],
  [/^(blocks\.\d+\.)scale_shift_table$/, '$1modulation'],
  [/^(blocks\.\d+\.)norm2\./, '$1norm3.'],
  [/^(blocks\.\d+\.)ffn\.net\.0\.proj\./, '$1ffn.0.'],
  [/^(blocks\.\d+\.)ffn\.net\.2\./, '$1ffn.2.'],
  [/^(blocks\.\d+\.)attn2\.add_([kv])_proj\./, '$1cross_attn.$2_img.'],
  [/^(blocks\.\d+\.)attn2\.norm_added_k\./, '$1cross_attn.norm_k_img.'],
  [/^(blocks\.\d+\.)attn1\.to_([qkv])\./, '$1self_attn.$2.'],
  [/^(blocks\.\d+\.)attn2\.to_([qkv])\./, '$1cross_attn.$2.'],
  [/^(blocks\.\d+\.)attn1\.to_out\.0\./, '$1self_attn.o.'],
  [/^(blocks\.\d+\.)attn2\.to_out\.0\./, '$1cross_attn.o.'],
  [/^(blocks\.\d+\.)attn1\.(norm_[qk])\./, '$1self_attn.$2.'],
  [/^(blocks\.\d+\.)attn2\.(norm_[qk])\./, '$1cross_attn.$2.'],
];

/** Returns the original name of a transformer tensor; undefined for names that both spell alike. */
export const renameWan: Rename = (name) => {
  const rule = RULES.find(([pattern]) => pattern.test(name));
  return rule && name.replace(rule[0], rule[1]);
};
