/** The built-in model in the shape of a run. */
import type { Gpu } from './gpu/device.ts';
import { NO_WORK } from './graph/work.ts';
import type { Engine } from './nn/run-once.ts';
import { loadMotion, planMotion } from './models/motion/index.ts';
import type { MotionFiles, MotionModel, MotionReport } from './models/motion/index.ts';
import { needPicture } from './run.ts';
import type { RunFrame, RunnableModel } from './run.ts';
import { outputSize } from './settings.ts';
import { readWishes } from './wishes.ts';

/** The model on a device, its weights there from the first run on. */
type Kept = { readonly engine: Engine; readonly loaded: MotionModel };

/** Returns the model of `files`; throws nothing before it is planned or run. */
export function runnableMotion(files: MotionFiles): RunnableModel {
  const kept = new WeakMap<Gpu, Kept>();
  const release = (gpu: Gpu): void => {
    kept.get(gpu)?.loaded.destroy();
    kept.delete(gpu);
  };
  const modelOn = async (engine: Engine, signal: AbortSignal | undefined): Promise<MotionModel> => {
    const { gpu, precision } = engine;
    const known = kept.get(gpu);
    if (known?.engine.precision === precision) return known.loaded;
    release(gpu);
    const loaded = await loadMotion(engine, files, { precision, ...(signal && { signal }) });
    kept.set(gpu, { engine, loaded });
    return loaded;
  };
  return {
    family: 'motion',
    makes: 'video',
    takes: { picture: 'needed', lastPicture: 'no', sound: 'no', prompt: 'possible' },
    presets: { preview: {}, standard: {}, high: {} },
    sizeFor: (picture, settings) => outputSize(picture, settings),
    release,
    async plan({ settings, size, precision }, caps) {
      const { frames, steps } = settings;
      const { motion, loop } = readWishes(settings);
      const asked = { motion, loop, frames, steps };
      const { stages, ...memory } = await planMotion(files.config, size, asked, {
        precision,
        caps,
      });
      return { ...memory, stages: [{ name: 'load', steps: 1, work: NO_WORK }, ...stages] };
    },
    async *run(engine, { picture, settings }, { progress, ...context }) {
      const shown = needPicture(picture);
      const { understood, ignored, ...wishes } = readWishes(settings);
      const { frames, fps, seed, steps } = settings;
      progress('load', 0);
      const model = await modelOn(engine, context.signal);
      const longSide = Math.max(shown.width, shown.height);
      const run = model.animate(
        { ...shown, channels: 4 },
        { ...wishes, frames, fps, seed, steps, longSide },
        { ...context, onProgress: ({ stage, done, total }) => progress(stage, done / total) },
      );
      const report: MotionReport = yield* run satisfies AsyncGenerator<
        RunFrame,
        MotionReport,
        void
      >;
      return { family: 'motion', ...report, stepsDone: report.steps, understood, ignored };
    },
  };
}
