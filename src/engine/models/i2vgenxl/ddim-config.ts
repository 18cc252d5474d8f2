/** The settings of a diffusers DDIM scheduler, as its scheduler_config.json states them. */
import { EngineError } from '../../gpu/errors.ts';
import type { DdimConfig, Prediction } from '../../sampling/ddim.ts';
import type { BetaSchedule, Spacing } from '../../sampling/ddim-tables.ts';
import { TRAIN_STEPS } from '../../sampling/ddim-tables.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

const SCHEDULES: readonly BetaSchedule[] = ['linear', 'scaled_linear', 'squaredcos_cap_v2'];
const PREDICTIONS: readonly Prediction[] = ['epsilon', 'v_prediction', 'sample'];
const SPACINGS: readonly Spacing[] = ['leading', 'trailing', 'linspace'];

/** Returns the sampler's settings, with the defaults of the class. Throws `weights/config`. */
export function parseDdimConfig(config: Config): DdimConfig {
  const oneOf = <T extends string>(key: string, known: readonly T[], usual: T): T => {
    const value = known.find((each) => each === (config[key] ?? usual));
    if (value !== undefined) return value;
    throw new EngineError(
      'weights/config',
      `scheduler_config.json — got ${String(config[key])} for ${key}, needs one of ${known.join(', ')}`,
    );
  };
  if (numberIn(config, 'num_train_timesteps', TRAIN_STEPS) !== TRAIN_STEPS) {
    throw new EngineError(
      'weights/config',
      `scheduler_config.json — got ${String(config['num_train_timesteps'])} timesteps, needs ${TRAIN_STEPS}`,
    );
  }
  const clip = config['clip_sample'] !== false;
  return {
    schedule: oneOf('beta_schedule', SCHEDULES, 'linear'),
    start: numberIn(config, 'beta_start', 0.0001),
    end: numberIn(config, 'beta_end', 0.02),
    zeroSnr: config['rescale_betas_zero_snr'] === true,
    arithmetic: 'f32',
    prediction: oneOf('prediction_type', PREDICTIONS, 'epsilon'),
    spacing: oneOf('timestep_spacing', SPACINGS, 'leading'),
    offset: numberIn(config, 'steps_offset', 0),
    lastLevel: config['set_alpha_to_one'] === false ? 'first' : 'one',
    ...(clip && { clip: numberIn(config, 'clip_sample_range', 1) }),
  };
}
