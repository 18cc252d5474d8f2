/** The settings of a DynamiCrafter model in the form of its authors' config files: model.params. */
import { EngineError } from '../../gpu/errors.ts';
import { numberIn } from '../config-json.ts';
import type { Config } from '../config-json.ts';
import type { AutoencoderConfig } from '../autoencoder-kl/config.ts';
import { parseOriginalConfig } from '../autoencoder-kl/config.ts';
import type { DdimConfig } from '../../sampling/ddim.ts';
import type { DynamiCrafterConfig } from './config.ts';
import { dynamiCrafterDdim, parseDynamiCrafter } from './config.ts';
import type { ResamplerConfig } from './resampler.ts';
import { parseResampler } from './resampler.ts';

export type DynamiCrafterParams = {
  readonly unet: DynamiCrafterConfig;
  readonly vae: AutoencoderConfig;
  readonly resampler: ResamplerConfig;
  readonly ddim: DdimConfig;
  readonly frames: number;
};

function objectAt(config: Config, ...keys: readonly string[]): Config {
  return keys.reduce<Config>((object, key) => {
    const value = object[key];
    if (typeof value === 'object' && value !== null) return value as Config;
    throw new EngineError('weights/config', `config — got no ${keys.join('.')}, needs it`);
  }, config);
}

/** Returns the parts of `params`. Throws `weights/config`. */
export function parseParams(params: Config): DynamiCrafterParams {
  const zeroSnr = params['rescale_betas_zero_snr'] === true;
  const unet = objectAt(params, 'unet_config', 'params');
  const vae = parseOriginalConfig(objectAt(params, 'first_stage_config', 'params', 'ddconfig'));
  const rescaled = params['use_dynamic_rescale'] === true;
  return {
    unet: parseDynamiCrafter(unet),
    vae: { ...vae, scale: numberIn(params, 'scale_factor', 0.18215) },
    resampler: parseResampler(objectAt(params, 'image_proj_stage_config', 'params')),
    frames: numberIn(unet, 'temporal_length'),
    ddim: dynamiCrafterDdim({
      zeroSnr,
      prediction: params['parameterization'] === 'v' ? 'v_prediction' : 'epsilon',
      spacing: zeroSnr ? 'uniform_trailing' : 'uniform',
      start: numberIn(params, 'linear_start', 0.00085),
      end: numberIn(params, 'linear_end', 0.012),
      ...(rescaled && { baseScale: numberIn(params, 'base_scale', 0.7) }),
    }),
  };
}
