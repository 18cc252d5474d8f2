/** Tensor names of the original repositories' autoencoders (`ae.safetensors`), asked for by their diffusers names. */
import type { Rename } from '../../weights/weight-store.ts';

const RULES: readonly (readonly [RegExp, string])[] = [
  [/\.down_blocks\.(\d+)\.resnets\./, '.down.$1.block.'],
  [/\.down_blocks\.(\d+)\.downsamplers\.0\./, '.down.$1.downsample.'],
  [/\.up_blocks\.(\d+)\.resnets\./, '.up.$1.block.'],
  [/\.up_blocks\.(\d+)\.upsamplers\.0\./, '.up.$1.upsample.'],
  [/\.conv_shortcut\./, '.nin_shortcut.'],
  [/\.mid_block\.resnets\.0\./, '.mid.block_1.'],
  [/\.mid_block\.resnets\.1\./, '.mid.block_2.'],
  [/\.mid_block\.attentions\.0\.group_norm\./, '.mid.attn_1.norm.'],
  [/\.mid_block\.attentions\.0\.to_([qkv])\./, '.mid.attn_1.$1.'],
  [/\.mid_block\.attentions\.0\.to_out\.0\./, '.mid.attn_1.proj_out.'],
  [/\.conv_norm_out\./, '.norm_out.'],
];

/** Returns the renames of an autoencoder with `levels` resolutions, whose decoder the original counts from the finest. */
export const renameAutoencoder =
  (levels: number, prefix = ''): Rename =>
  (name) =>
    prefix +
    RULES.reduce((out, [from, to]) => out.replace(from, to), name).replace(
      /\.up\.(\d+)\./,
      (_, level: string) => `.up.${levels - 1 - Number(level)}.`,
    );

const OLD = new Map([
  ['to_q', 'query'],
  ['to_k', 'key'],
  ['to_v', 'value'],
  ['to_out.0', 'proj_attn'],
]);

/** Renames to what diffusers called the middle attention before 2023. */
export const renameOldAttention: Rename = (name) =>
  name.replace(/\.(to_[qkv]|to_out\.0)\./, (all, part: string) => `.${OLD.get(part) ?? all}.`);
