/** The sizes of a DynamiCrafter UNet in its config, and how the released models sample. */
import { EngineError } from '../../gpu/errors.ts';
import type { Unet3dConfig } from '../unet3d/config.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';
import type { DdimConfig, Prediction } from '../../sampling/ddim.ts';

/** What differs between the released samplers. */
export type DynamiCrafterSampling = {
  readonly zeroSnr: boolean;
  readonly prediction: Prediction;
  readonly spacing: 'uniform' | 'uniform_trailing';
  readonly baseScale?: number;
  readonly start?: number;
  readonly end?: number;
};

/** Returns the sampler's settings: the last level is ᾱ_0, and all tables are formed in f64. */
export const dynamiCrafterDdim = (sampling: DynamiCrafterSampling): DdimConfig => ({
  schedule: 'scaled_linear',
  start: 0.00085,
  end: 0.012,
  arithmetic: 'f64',
  offset: 0,
  lastLevel: 'first',
  ...sampling,
});

export type DynamiCrafterConfig = Unet3dConfig & {
  /** Rate that the UNet is told where a request names none. */
  readonly defaultRate: number;
};

/** Tokens of the text; all others are image tokens. */
export const TEXT_TOKENS = 77;

/** Image tokens of each frame. */
export const TOKENS_PER_FRAME = 16;

function wholesIn(config: Config, key: string): number[] {
  const value = config[key];
  if (Array.isArray(value) && value.every((n): n is number => Number.isInteger(n))) return value;
  throw new EngineError('weights/config', `config — got no list of whole numbers ${key}`);
}

/**
 * Returns the sizes in the `params` of an lvdm UNetModel. Throws `weights/config` for switches that no released model
 * has: relative positions, causal attention, deeper transformers.
 */
export function parseDynamiCrafter(config: Config): DynamiCrafterConfig {
  const plain =
    config['use_relative_position'] !== true &&
    config['use_causal_attention'] !== true &&
    numberIn(config, 'transformer_depth', 1) === 1;
  if (!plain) {
    throw new EngineError(
      'weights/config',
      'config — got relative positions, causal attention or deeper transformers, which no released model has',
    );
  }
  const width = numberIn(config, 'model_channels');
  const factors = wholesIn(config, 'channel_mult');
  const resolutions = wholesIn(config, 'attention_resolutions');
  const branch = config['image_cross_attention_scale_learnable'] === true ? 'scaled' : 'plain';
  return {
    inChannels: numberIn(config, 'in_channels'),
    outChannels: numberIn(config, 'out_channels'),
    widths: factors.map((factor) => factor * width),
    attention: factors.map((_, i) => resolutions.includes(2 ** i)),
    layers: numberIn(config, 'num_res_blocks'),
    groups: 32,
    headWidth: numberIn(config, 'num_head_channels'),
    contextDim: numberIn(config, 'context_dim'),
    imageBranch: config['image_cross_attention'] === true ? branch : 'none',
    defaultRate: numberIn(config, 'default_fs', 4),
  };
}
