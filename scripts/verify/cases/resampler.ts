/** DynamiCrafter's projector from CLIP tokens to the UNet's image tokens. */
import {
  parseResampler,
  renameResampler,
  resampler,
} from '../../../src/engine/models/dynamicrafter/resampler.ts';
import type { Scope } from '../../../src/engine/nn/module.ts';
import { runEach } from '../../../src/engine/nn/run-once.ts';
import type { Checker } from '../case.ts';
import { objectIn } from '../json.ts';
import { mergeRuns } from './openclip.ts';

export const resamplerCase: Checker = {
  matches: ({ resampler: config }, io) =>
    typeof config === 'object' && config !== null && io.includes('in.tokens'),
  async run(context) {
    const config = parseResampler(objectIn(context.config, 'resampler'));
    const store = await context.open('model', renameResampler('image_proj_model.'));
    const { values, shape } = await context.io.read('in.tokens');
    const [batch = 1, n = 1, width = 1] = shape;
    const builds = Array.from({ length: batch }, (_, i) => (root: Scope): void => {
      const { graph } = root;
      const span = n * width;
      const rows = values.subarray(i * span, (i + 1) * span);
      const x = graph.constant('tokens', rows, [n, width], graph.compute);
      const y = resampler(config)(root)(x, (name, tensor) => graph.result(`act.${name}`, tensor));
      graph.result('out.tokens', y);
    });
    const runs = await runEach(context, store, builds);
    store.checkAllUsed();
    return mergeRuns(context, runs);
  },
};
