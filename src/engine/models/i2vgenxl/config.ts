/** The sizes in the config.json of an I2VGenXLUNet. */
import { EngineError } from '../../gpu/errors.ts';
import type { Unet3dConfig } from '../unet3d/config.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

export type I2vgenConfig = Unet3dConfig & {
  /** Channels of a latent; the network's input has twice as many. */
  readonly latentChannels: number;
};

/** Returns the sizes. Both head keys mean the width of a head, `num_attention_heads` in early revisions. Throws `weights/config`. */
export function parseI2vgenConfig(config: Config): I2vgenConfig {
  const widths = config['block_out_channels'];
  if (!Array.isArray(widths) || widths.length < 2 || !widths.every((n) => Number.isInteger(n))) {
    throw new EngineError('weights/config', 'config.json — got no list block_out_channels');
  }
  const types = config['down_block_types'];
  const attends = (i: number): boolean =>
    Array.isArray(types) ? String(types[i]).startsWith('CrossAttn') : i < widths.length - 1;
  const latentChannels = numberIn(config, 'in_channels', 4);
  const headWidth = config['attention_head_dim'] ?? config['num_attention_heads'] ?? 64;
  return {
    latentChannels,
    inChannels: 2 * latentChannels,
    outChannels: numberIn(config, 'out_channels', 4),
    widths: widths.map(Number),
    attention: widths.map((_, i) => attends(i)),
    layers: numberIn(config, 'layers_per_block', 2),
    groups: numberIn(config, 'norm_num_groups', 32),
    headWidth: numberIn({ headWidth }, 'headWidth'),
    contextDim: numberIn(config, 'cross_attention_dim', 1024),
    imageBranch: 'none',
  };
}
