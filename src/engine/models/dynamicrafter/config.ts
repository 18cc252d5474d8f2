/** The released DynamiCrafter models: how they sample. */
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
