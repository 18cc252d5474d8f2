/**
 * Predict the data, then make noise of it again: x ← (1 − σ_next)·(x − σ·v) + σ_next·noise, with noise of its own in every
 * step but the last. So models are sampled that were distilled to a few steps by matching distributions.
 * Source: Yin et al. 2024, "From Slow Bidirectional to Fast Autoregressive Video Diffusion Models", arXiv:2412.07772.
 */
import type { Schedule } from './schedule.ts';
import { terms } from './terms.ts';
import type { SamplerStep } from './terms.ts';

/** Returns the steps over `schedule`; the noise of each is what stands in `xbar` when it begins. */
export function renoiseSteps({ sigmas, timesteps }: Schedule): SamplerStep[] {
  return timesteps.map((timestep, i) => {
    const sigma = sigmas[i] ?? 1;
    const after = sigmas[i + 1] ?? 0;
    return {
      sigma,
      timestep,
      m: terms({ x: 1, v: -sigma }),
      xbar: terms({}),
      next: terms({ x: 1 - after, v: -(1 - after) * sigma, xbar: after }),
    };
  });
}
