/** Tensor names of the original repository's autoencoders, asked for by their diffusers names. */
import type { Rename } from '../../weights/weight-store.ts';
import type { VaeConfig } from './vae-config.ts';

/** Parts of a residual block. */
const RESIDUAL: Readonly<Record<string, string>> = {
  norm1: 'residual.0',
  conv1: 'residual.2',
  norm2: 'residual.3',
  conv2: 'residual.6',
  conv_shortcut: 'shortcut',
};

const ENDS: readonly (readonly [RegExp, string])[] = [
  [/^quant_conv\./, 'conv1.'],
  [/^post_quant_conv\./, 'conv2.'],
  [/^(encoder|decoder)\.conv_in\./, '$1.conv1.'],
  [/^(encoder|decoder)\.norm_out\./, '$1.head.0.'],
  [/^(encoder|decoder)\.conv_out\./, '$1.head.2.'],
  [/^(encoder|decoder)\.mid_block\.attentions\.0\./, '$1.middle.1.'],
];

const MIDDLE = /^(encoder|decoder)\.mid_block\.resnets\.([01])\.(.*)$/;
const DOWN = /^encoder\.down_blocks\.(\d+)\.(?:(resnets\.(\d+)|downsampler)\.)?(.*)$/;
const UP = /^decoder\.up_blocks\.(\d+)\.(?:resnets\.(\d+)|upsampler|upsamplers\.0)\.(.*)$/;

/** Returns the original name of an autoencoder tensor, as a function of the config. */
export const renameVae =
  ({ num_res_blocks, is_residual }: VaeConfig): Rename =>
  (name) => {
    const middle = MIDDLE.exec(name);
    if (middle) return `${middle[1]}.middle.${2 * Number(middle[2])}.${inBlock(middle[3])}`;
    const down = DOWN.exec(name);
    if (down) {
      const [, stage, part, resnet, rest] = down;
      if (!part) return `encoder.downsamples.${stage}.${inBlock(rest)}`;
      return `encoder.downsamples.${stage}.downsamples.${resnet ?? num_res_blocks}.${inBlock(rest)}`;
    }
    const up = UP.exec(name);
    if (up) {
      const [, stage, resnet, rest] = up;
      const at = Number(resnet ?? num_res_blocks + 1);
      if (is_residual) return `decoder.upsamples.${stage}.upsamples.${at}.${inBlock(rest)}`;
      return `decoder.upsamples.${(num_res_blocks + 2) * Number(stage) + at}.${inBlock(rest)}`;
    }
    const end = ENDS.find(([pattern]) => pattern.test(name));
    return end && name.replace(...end);
  };

/** `conv1.weight` -> `residual.2.weight`; the parts of a change of resolution keep their names. */
function inBlock(rest = ''): string {
  const [part = '', ...tail] = rest.split('.');
  return [RESIDUAL[part] ?? part, ...tail].join('.');
}
