/** Where a 3-D UNet's tensors are found in its checkpoints. */
import type { Alias, Rename } from '../../weights/weight-store.ts';
import type { Unet3dConfig } from './config.ts';

/** Halves of the first product of gated layers: the value stands before the gate. */
const HALVES = /\.ff\.net\.0\.proj\.(value|gate)\.(weight|bias)$/;

/** Returns the place of `name` below `prefix`, spelled by `spell`. */
function unetAlias(name: string, prefix: string, spell = (key: string): string => key): Alias {
  const [, half, kind] = HALVES.exec(name) ?? [];
  if (half === undefined) return prefix + spell(name);
  const whole = spell(name.replace(HALVES, `.ff.net.0.proj.${kind}`));
  return { name: prefix + whole, part: half === 'value' ? 0 : 1, of: 2 };
}

/** Renames to diffusers' spelling below `prefix`. */
export const renameUnet =
  (prefix = ''): Rename =>
  (name) =>
    unetAlias(name, prefix);

const RESNET: readonly (readonly [string, string])[] = [
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['time_emb_proj', 'emb_layers.1'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['conv_shortcut', 'skip_connection'],
];

const ENDS: readonly (readonly [RegExp, string])[] = [
  [/^conv_in\./, 'input_blocks.0.0.'],
  [/^transformer_in\./, 'init_attn.0.'],
  [/^conv_norm_out\./, 'out.0.'],
  [/^conv_out\./, 'out.2.'],
  [/^time_embedding\.linear_1\./, 'time_embed.0.'],
  [/^time_embedding\.linear_2\./, 'time_embed.2.'],
];

const PART =
  /^(down_blocks\.(\d+)|mid_block|up_blocks\.(\d+))\.(resnets|temp_convs|attentions|temp_attentions|downsamplers|upsamplers)\.(\d+)\.(.*)$/;

const INDEX: Readonly<Record<string, number>> = { attentions: 1, temp_attentions: 2 };

/**
 * Returns the name that DynamiCrafter's own code (package lvdm) has for a tensor or module of diffusers' I2VGenXLUNet:
 * one list of blocks down and one up, the convolutions along frames inside the resnets.
 */
export function lvdmName({ layers, attention, widths }: Unet3dConfig, name: string): string {
  const end = ENDS.find(([from]) => from.test(name));
  if (end) return name.replace(...end);
  const [, , down, up, kind = '', nth = '0', rest = ''] = PART.exec(name) ?? [];
  const j = Number(nth);
  if (kind === 'downsamplers') {
    return `input_blocks.${(Number(down) + 1) * (layers + 1)}.0.${rest.replace(/^conv\./, 'op.')}`;
  }
  if (kind === 'upsamplers') {
    const level = widths.length - 1 - Number(up);
    return `output_blocks.${(Number(up) + 1) * (layers + 1) - 1}.${attention[level] ? 3 : 1}.${rest}`;
  }
  if (kind === '') return name;
  const inner = insideOf(kind, rest);
  const index = INDEX[kind] ?? 0;
  if (down !== undefined)
    return `input_blocks.${1 + Number(down) * (layers + 1) + j}.${index}.${inner}`;
  if (up !== undefined) return `output_blocks.${Number(up) * (layers + 1) + j}.${index}.${inner}`;
  return `middle_block.${index === 0 ? 3 * j : index}.${inner}`;
}

function insideOf(kind: string, rest: string): string {
  if (kind === 'temp_convs') return `temopral_conv.${rest}`;
  const [own, other] =
    RESNET.find(([key]) => kind === 'resnets' && rest.startsWith(`${key}.`)) ?? [];
  return own !== undefined && other !== undefined ? other + rest.slice(own.length) : rest;
}

/** Renames to the original spelling below `prefix`. */
export const renameLvdmUnet =
  (config: Unet3dConfig, prefix = ''): Rename =>
  (name) =>
    unetAlias(name, prefix, (key) => lvdmName(config, key));
