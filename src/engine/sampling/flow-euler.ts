/** Euler's method on the flow: x ← x + (σ_next − σ)·v. One model call a step, no memory. */
import type { Schedule } from './schedule.ts';
import { terms } from './terms.ts';
import type { SamplerStep } from './terms.ts';

/** Returns the steps of Euler's method over `schedule`. */
export function flowEulerSteps({ sigmas, timesteps }: Schedule): SamplerStep[] {
  return timesteps.map((timestep, i) => {
    const sigma = sigmas[i] ?? 1;
    const after = sigmas[i + 1] ?? 0;
    return {
      sigma,
      timestep,
      m: terms({ x: 1, v: -sigma }),
      xbar: terms({ x: 1 }),
      next: terms({ x: 1, v: after - sigma }),
    };
  });
}
