/** The few steps that the streaming model was distilled to. */
import { EngineError } from '../../gpu/errors.ts';
import { flowEulerSteps } from '../../sampling/flow-euler.ts';
import type { Sampler } from '../../sampling/sampler.ts';
import { scheduleFor } from '../../sampling/schedule.ts';

/** The model's own; what a request says of it is not looked at, as in the reference. */
const SHIFT = 3;

/**
 * Returns Euler's method over `steps` noise levels. `skipLast` leaves out the last step, which moves the sample by less
 * than 1 %: the one before it then goes all the way. Throws `sampling/steps`.
 */
export function avatarSampler(steps: number, skipLast = false): Sampler {
  const { sigmas, timesteps } = scheduleFor('flow_euler', 'original', { steps, shift: SHIFT });
  if (skipLast && steps < 2) {
    throw new EngineError(
      'sampling/steps',
      `number of steps — got ${steps} without the last, needs 2 or more — keep the last step`,
      { have: steps, need: 2 },
    );
  }
  const count = skipLast ? steps - 1 : steps;
  const schedule = { sigmas: [...sigmas.slice(0, count), 0], timesteps: timesteps.slice(0, count) };
  return { ...schedule, steps: flowEulerSteps(schedule) };
}
