/** Denoising: one recorded step replayed from noise to a clean latent, with at most one change of experts on the way. */
import type { Engine } from '../../nn/run-once.ts';
import { ahead } from '../../sampling/ahead.ts';
import type { Attended, AttendOptions } from '../../sampling/attended.ts';
import { attendSteps } from '../../sampling/attended.ts';
import type { Sampler } from '../../sampling/sampler.ts';
import { SamplerState } from '../../sampling/state.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { WanConfig } from './config.ts';
import type { Conditions, Expert } from './expert.ts';
import { loadExpert } from './expert.ts';
import type { LatentSize } from './pipeline-request.ts';

/** One transformer and the steps that are its own. */
export type ExpertSteps = {
  readonly config: WanConfig;
  /** First step that is not this expert's any more. */
  readonly end: number;
  /** Scale of the prompt's pull; 1 or less runs the network once a step. */
  readonly guidance: number;
  /** Opens the weights; called when the first of its steps is due. */
  readonly open: () => Promise<WeightSource>;
};

/** Whether two experts run the same kernels on the same shapes. */
const alike = (a: ExpertSteps, b: ExpertSteps): boolean =>
  a.guidance > 1 === b.guidance > 1 && JSON.stringify(a.config) === JSON.stringify(b.config);

/** Resolves to the clean latent [F, h, w, C]. Rejects like `attendSteps`. */
export async function denoise(
  engine: Engine,
  sampler: Sampler,
  experts: readonly ExpertSteps[],
  start: {
    readonly size: LatentSize;
    readonly noise: Float32Array;
    /** Noise of step `i`, for samplers that make noise again. */
    readonly stepNoise: (i: number) => Float32Array;
    readonly conditions: Conditions;
  },
  options: AttendOptions = {},
): Promise<Attended> {
  const { device } = engine.gpu;
  const { size, noise, stepNoise, conditions } = start;
  const planAt = (step: number): ExpertSteps | undefined => experts.find(({ end }) => step < end);
  const shape = [size.F, size.h, size.w, size.C];
  const state = new SamplerState(device, sampler, shape, (step) => planAt(step)?.guidance ?? 1);
  state.start(noise);
  let loaded: { plan: ExpertSteps; heir: ExpertSteps | undefined; expert: Expert } | undefined;
  const expertAt = async (step: number): Promise<Expert> => {
    const plan = planAt(step);
    if (!plan) throw new RangeError(`no expert for step ${step}`);
    if (loaded?.plan !== plan && loaded?.heir === plan && loaded.expert.succeeded) {
      await loaded.expert.succeeded();
      loaded = { plan, heir: undefined, expert: loaded.expert };
    }
    if (loaded?.plan !== plan) {
      loaded?.expert.destroy(); // before the next one is loaded: two seldom fit
      loaded = undefined;
      const next = planAt(plan.end);
      const heir = next && alike(plan, next) ? next : undefined;
      const expert = await loadExpert(
        engine,
        await plan.open(),
        { config: plan.config, size, conditions, guided: plan.guidance > 1 },
        state,
        await heir?.open(),
      );
      loaded = { plan, heir, expert };
    }
    // While its last step runs, the next expert takes its place, block after block.
    if (step + 1 === plan.end && loaded.heir) await loaded.expert.succeed?.();
    return loaded.expert;
  };
  const steps = sampler.steps.length;
  const noiseOf = ahead(steps - 1, stepNoise);
  try {
    const attended = await attendSteps(
      engine,
      steps,
      async (step) => {
        if (sampler.renoises && step + 1 < steps) state.renoise(noiseOf(step));
        return (await expertAt(step)).step;
      },
      state,
      { ...options, conditions },
    );
    if (conditions.firstFrame) attended.sample.set(conditions.firstFrame);
    return attended;
  } finally {
    loaded?.expert.destroy();
    state.destroy();
  }
}
