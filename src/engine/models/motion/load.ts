/** Loads the built-in model: config checked, weights' header read; values are read when the first run needs them. */
import { WeightSet } from '../../weights/upload.ts';
import { WeightStore } from '../../weights/weight-store.ts';
import { animate } from './animate.ts';
import type { LoadOptions, MotionEngine, MotionFiles, MotionModel } from './api.ts';
import { readConfig } from './config.ts';

/**
 * Resolves to the model, ready to run on `engine`. Throws `motion/config` for a config that is not of this model,
 * and what `WeightStore.open` throws.
 */
export async function loadMotion(
  engine: MotionEngine,
  files: MotionFiles,
  { precision, quantise, signal }: LoadOptions,
): Promise<MotionModel> {
  const config = readConfig(files.config);
  const store = await WeightStore.open([files.weights]);
  signal?.throwIfAborted();
  const weights = new WeightSet(engine.gpu, store);
  const model = { engine, config, weights, precision, quantise };
  return {
    animate: (picture, settings, options = {}) => animate(model, picture, settings, options),
    destroy: () => weights.destroy(),
  };
}
