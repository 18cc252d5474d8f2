/** Sizes of the picture autoencoders of Stable Diffusion and FLUX, from diffusers' config.json. */
import { EngineError } from '../../gpu/errors.ts';

export type AutoencoderConfig = {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly latentChannels: number;
  /** Channels of each level, the finest first. */
  readonly channels: readonly number[];
  readonly layersPerBlock: number;
  readonly groups: number;
  readonly midAttention: boolean;
  readonly quantConv: boolean;
  readonly postQuantConv: boolean;
  /** The diffusion model sees (z − shift) · scale. */
  readonly scale: number;
  readonly shift: number;
};

type Json = Readonly<Record<string, unknown>>;

/** Returns the sizes in a config.json. Throws `weights/config` for values that no autoencoder of this kind has. */
export function parseAutoencoderConfig(config: Json): AutoencoderConfig {
  const number = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    check(typeof value === 'number' && Number.isFinite(value), key, value, 'a number');
    return Number(value);
  };
  const channels = config['block_out_channels'];
  const whole =
    Array.isArray(channels) && channels.length > 0 && channels.every((n) => Number.isInteger(n));
  check(whole, 'block_out_channels', channels, 'whole numbers');
  const act = config['act_fn'] ?? 'silu';
  check(act === 'silu', 'act_fn', act, '"silu"');
  return {
    inChannels: number('in_channels', 3),
    outChannels: number('out_channels', 3),
    latentChannels: number('latent_channels'),
    channels: (channels as unknown[]).map(Number),
    layersPerBlock: number('layers_per_block', 1),
    groups: number('norm_num_groups', 32),
    midAttention: config['mid_block_add_attention'] !== false,
    quantConv: config['use_quant_conv'] !== false,
    postQuantConv: config['use_post_quant_conv'] !== false,
    scale: number('scaling_factor', 0.18215),
    shift: config['shift_factor'] === null ? 0 : number('shift_factor', 0),
  };
}

/** Returns the sizes in the `ddconfig` of the original code. Throws `weights/config`. */
export const parseOriginalConfig = (dd: Json): AutoencoderConfig =>
  parseAutoencoderConfig({
    in_channels: dd['in_channels'],
    out_channels: dd['out_ch'],
    latent_channels: dd['z_channels'],
    block_out_channels:
      Array.isArray(dd['ch_mult']) &&
      dd['ch_mult'].map((factor) => Number(factor) * Number(dd['ch'])),
    layers_per_block: dd['num_res_blocks'],
  });

/** Pixels along one side for one latent. */
export const pixelsPerLatent = ({ channels }: AutoencoderConfig): number =>
  2 ** (channels.length - 1);

function check(condition: boolean, key: string, have: unknown, need: string): void {
  if (condition) return;
  throw new EngineError(
    'weights/config',
    `config.json — got ${JSON.stringify(have)} for ${key}, needs ${need} — use the model's own file`,
  );
}
