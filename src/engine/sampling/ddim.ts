/**
 * DDIM in all the variants that image-to-video models use, compiled into rows of coefficients: v-, ε- and data
 * prediction, η from 0 to 1, dynamic rescale of the data. Song et al. 2020, arXiv:2010.02502, eq. 12.
 */
import { EngineError } from '../gpu/errors.ts';
import type { BetaOptions, Spacing } from './ddim-tables.ts';
import { TRAIN_STEPS, levelsOf, timestepsFor } from './ddim-tables.ts';

export type Prediction = 'epsilon' | 'v_prediction' | 'sample';

export type DdimConfig = BetaOptions & {
  readonly prediction: Prediction;
  readonly spacing: Spacing;
  /** Added to timesteps that are spaced `leading`. */
  readonly offset: number;
  /** Level after the last step: no noise at all, or ᾱ_0. */
  readonly lastLevel: 'one' | 'first';
  /** The data prediction is cut to ±clip. */
  readonly clip?: number;
  /** Dynamic rescale: factors on the data fall from 1 to this over the first 400 timesteps. */
  readonly baseScale?: number;
};

export type DdimOptions = {
  readonly steps: number;
  /** Share of the noise that is drawn anew at each step: 0 none, 1 as in DDPM. */
  readonly eta: number;
};

/** One step: x0 and ε as combinations of sample x and network output v, the next sample as one of them and noise. */
export type DdimStep = {
  readonly timestep: number;
  readonly level: number;
  readonly nextLevel: number;
  readonly sigma: number;
  readonly x0: { readonly x: number; readonly v: number };
  readonly eps: { readonly x: number; readonly v: number };
  readonly next: { readonly x0: number; readonly eps: number; readonly noise: number };
};

export type DdimSampler = {
  readonly steps: readonly DdimStep[];
  readonly timesteps: readonly number[];
  readonly clip: number | undefined;
};

const f32 = Math.fround;

/** Timesteps over which the dynamic rescale falls. */
const RESCALED = 400;

/** Returns the factor on the data at timestep t: 1 at 0, `base` from 399 on. */
export function dynamicScale(base: number, t: number): number {
  return f32(t >= RESCALED - 1 ? base : 1 + ((base - 1) * t) / (RESCALED - 1));
}

/**
 * Returns the sampler. Throws `sampling/steps` and, unless `eta` is from 0 to 1, `sampling/eta`.
 */
export function ddimSampler(config: DdimConfig, { steps, eta }: DdimOptions): DdimSampler {
  if (!(eta >= 0 && eta <= 1)) {
    throw new EngineError('sampling/eta', `eta — got ${eta}, needs 0 to 1 — change the setting`, {
      have: eta,
    });
  }
  const { alphas } = levelsOf(config);
  const timesteps = timestepsFor(config.spacing, steps, config.offset);
  const at = (t: number): number => alphas[t] ?? 0;
  const last = config.lastLevel === 'one' ? 1 : at(0);
  const inList = config.spacing === 'uniform' || config.spacing === 'uniform_trailing';
  const compiled = timesteps.map((timestep, i): DdimStep => {
    // The original takes the level of the next timestep that it runs, diffusers that of an even stride below.
    const below = inList ? (timesteps[i + 1] ?? -1) : timestep - Math.floor(TRAIN_STEPS / steps);
    const level = at(timestep);
    const nextLevel = below < 0 ? last : at(below);
    const sigma = sigmaOf(level, nextLevel, eta, config.arithmetic);
    return {
      ...{ timestep, level, nextLevel, sigma },
      ...predictions(config.prediction, level, rescaleOf(config, timesteps, i)),
      next: {
        x0: Math.sqrt(nextLevel),
        eps: Math.sqrt(Math.max(0, f32(f32(1 - nextLevel) - f32(sigma * sigma)))), // rounded as in the references
        noise: sigma,
      },
    };
  });
  return { steps: compiled, timesteps, clip: config.clip };
}

function sigmaOf(level: number, next: number, eta: number, arithmetic: 'f32' | 'f64'): number {
  const round = arithmetic === 'f32' ? f32 : (value: number): number => value;
  const share = round(round(1 - next) / round(1 - level));
  const variance = round(share * round(1 - round(level / next)));
  return f32(eta * round(Math.sqrt(variance)));
}

/** The factor that step `i` puts on its data prediction. */
function rescaleOf({ baseScale }: DdimConfig, timesteps: readonly number[], i: number): number {
  const [now = 0, next] = [timesteps[i], timesteps[i + 1]];
  if (baseScale === undefined || next === undefined) return 1;
  return f32(dynamicScale(baseScale, next) / dynamicScale(baseScale, now));
}

function predictions(
  kind: Prediction,
  level: number,
  rescale: number,
): Pick<DdimStep, 'x0' | 'eps'> {
  const [signal, noise] = [Math.sqrt(level), Math.sqrt(1 - level)];
  if (kind === 'v_prediction') {
    return { x0: { x: signal * rescale, v: -noise * rescale }, eps: { x: noise, v: signal } };
  }
  if (kind === 'epsilon') {
    const factor = rescale / signal;
    return { x0: { x: factor, v: -noise * factor }, eps: { x: 0, v: 1 } };
  }
  return { x0: { x: 0, v: rescale }, eps: { x: 1 / noise, v: -signal / noise } };
}

/** Values that a step takes in the table that `packDdim` returns. */
export const DDIM_COLUMNS = 12;

/** How the outputs of a step's network calls become one; see guide.wgsl and ddim-step.wgsl. */
export type Guidance = {
  /** Pull of the whole condition; 1 leaves the conditional output as it is. */
  readonly scale: number;
  /** Pull of the picture alone, where that is a network call of its own. */
  readonly imageScale?: number;
  /** Share of the guided output that gets the spread of the conditional one back. */
  readonly rescale?: number;
};

/** Returns the steps as f32 rows: x0.{x, v}, ε.{x, v}, next.{x0, ε, noise}, clip, scale, image scale, rescale, 0. */
export function packDdim(
  { steps, clip = 3e38 }: DdimSampler,
  { scale, imageScale = scale, rescale = 0 }: Guidance,
): Float32Array<ArrayBuffer> {
  const table = new Float32Array(steps.length * DDIM_COLUMNS);
  steps.forEach(({ x0, eps, next }, i) => {
    const row = [x0.x, x0.v, eps.x, eps.v, next.x0, next.eps, next.noise, clip];
    table.set([...row, scale, imageScale, rescale], i * DDIM_COLUMNS);
  });
  return table;
}
