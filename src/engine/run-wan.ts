/** The Wan models in the shape of a run. */
import { EngineError } from './gpu/errors.ts';
import { NO_WORK } from './graph/work.ts';
import { animateWan } from './models/wan/animate.ts';
import type { WanFiles } from './models/wan/animate.ts';
import type { WanParts } from './models/wan/forecast.ts';
import { forecastWan } from './models/wan/forecast.ts';
import type { RunnableModel } from './run.ts';
import { outputSize } from './settings.ts';
import { policyFor } from './weights/policy.ts';

/** Returns the model of `files`; throws nothing before it is planned or run. */
export function runnableWan(files: WanFiles): RunnableModel {
  const { usual } = files;
  const { fps, frames, steps, sideMultiple, frameMultiple } = usual;
  /** As many frames as a model makes, at most `most`. */
  const framesUpTo = (most: number): number =>
    1 + frameMultiple * Math.floor((Math.min(most, frames) - 1) / frameMultiple);
  return {
    family: 'wan',
    makes: 'video',
    takes: {
      picture: usual.picture === 'unknown' ? 'no' : usual.picture,
      ...{ lastPicture: 'no', sound: 'no', prompt: 'possible' },
    },
    presets: {
      preview: { fps, frames: framesUpTo(25), steps: Math.min(steps, 20) },
      standard: { fps, frames, steps },
      high: { fps, frames, steps },
    },
    quantise: ({ weights }) => policyFor(weights),
    sizeFor: (picture, settings) => outputSize(picture, settings, sideMultiple),
    async plan({ settings, size, precision }, caps) {
      const configs = await partsOf(files);
      const { guidance = usual.guidance, weights, stream = false } = settings;
      const forecast = await forecastWan(
        configs,
        {
          ...size,
          ...{ frames: settings.frames, steps: settings.steps, guided: guidance > 1, stream },
          image: usual.picture !== 'unknown',
          weights,
        },
        precision,
        caps,
      );
      const stages = forecast.stages.map(({ stage, work }) => ({
        ...{ name: stage, work },
        steps: stage === 'denoise' ? settings.steps : stage === 'decode' ? settings.frames : 1,
      }));
      const { peakBytes, largestBuffer } = forecast;
      return {
        ...{ peakBytes, largestBuffer },
        stages: [{ name: 'load', steps: 1, work: NO_WORK }, ...stages],
      };
    },
    async *run(engine, { picture, settings }, { progress, onPreview, onNotice, ...context }) {
      const size = picture ?? settings.size;
      if (!size)
        throw new EngineError('settings/size', 'size — got none, needs one without a picture');
      let stepsDone = settings.steps;
      const { stream } = settings;
      const run = animateWan({ ...engine, stream }, files, picture ?? size, settings, {
        ...context,
        onProgress: progress,
        onPreview,
        onDecodeInF32: () => onNotice?.({ kind: 'decoded-in-f32', stage: 'decode' }),
        onSampled: (steps) => (stepsDone = steps),
      });
      const report = yield* run;
      return { ...report, stepsDone };
    },
  };
}

/** The settings of all parts that the model has. */
async function partsOf({ parts }: WanFiles): Promise<WanParts> {
  const names = ['transformer', 'transformer_2', 'vae', 'text_encoder', 'image_encoder'] as const;
  const found = names.filter((name) => parts.has(name));
  const configs = await Promise.all(
    found.map(async (name) => [name, await parts.config(name)] as const),
  );
  return Object.fromEntries(configs) as unknown as WanParts;
}
