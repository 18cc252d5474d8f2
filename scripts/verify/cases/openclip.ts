/** CLIP's towers as the 3-D UNets use them. */
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import type { Results } from '../../../src/engine/nn/run-once.ts';
import { runEach } from '../../../src/engine/nn/run-once.ts';
import type { Scope } from '../../../src/engine/nn/module.ts';
import {
  parseTextConfig,
  readTextInputs,
  textTower,
} from '../../../src/engine/models/openclip/text.ts';
import { parseVisionConfig, visionTower } from '../../../src/engine/models/openclip/vision.ts';
import { clipPolicy } from '../../../src/engine/models/unet3d/policy.ts';
import { channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output } from '../case.ts';
import { joined, objectIn } from '../json.ts';

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

export const clipText: Checker = {
  matches: ({ text, unet }, io) => isObject(text) && !unet && io.includes('in.input_ids'),
  async run(whole) {
    const context = { ...whole, quantise: clipPolicy(whole.quantise) };
    const config = parseTextConfig(objectIn(context.config, 'text'));
    const store = await context.open('model');
    const { values: ids, shape } = await context.io.read('in.input_ids');
    const [rows = 1, length = 1] = shape;
    const texts = Array.from({ length: rows }, (_, i) =>
      ids.subarray(i * length, (i + 1) * length),
    );
    const inputs: Float32Array[] = [];
    for (const text of texts) inputs.push(await readTextInputs(store, config, text));
    const runs = await runEach(
      context,
      store,
      inputs.map((input) => (root: Scope) => {
        const { graph } = root;
        const x = graph.constant('tokens', input, [length, config.width]);
        const probe = (name: string, tensor: Tensor): void => graph.result(`act.${name}`, tensor);
        const build = (skip: number, norm: boolean): Tensor =>
          textTower(config, { skip, norm, ...(skip === 0 && { probe }) })(root)(x);
        graph.result('out.last_hidden_state', build(0, true));
        graph.result('out.penultimate_raw', build(1, false));
        graph.result('out.penultimate_final_ln', build(1, true));
      }),
    );
    const outputs = mergeRuns(context, runs);
    // The pooled row stands at the end mark, the highest token.
    const last = runs.map((run) => run['out.last_hidden_state'] ?? new Float32Array());
    const pooled = last.map((values, i) => {
      const text = texts[i] ?? new Float32Array();
      const at = text.indexOf(Math.max(...text)) * config.width;
      return values.subarray(at, at + config.width);
    });
    return [...outputs, { name: 'out.pooled', values: joined(pooled), measure: 'network' }];
  },
};

export const clipImage: Checker = {
  matches: ({ vision, unet }, io) => isObject(vision) && !unet && io.includes('in.pixel_values'),
  async run(whole) {
    const context = { ...whole, quantise: clipPolicy(whole.quantise) };
    const config = parseVisionConfig(objectIn(context.config, 'vision'));
    const store = await context.open('model');
    const { values, shape } = await context.io.read('in.pixel_values');
    const [count = 1, C = 3, H = 1, W = 1] = shape;
    const span = values.length / count;
    const pictures = Array.from({ length: count }, (_, i) =>
      channelsLast(values.subarray(i * span, (i + 1) * span), [1, C, H, W]),
    );
    const runs = await runEach(
      context,
      store,
      pictures.map((picture) => (root: Scope) => {
        const { graph } = root;
        const x = graph.constant('picture', picture, [1, H, W, C]);
        const probe = (name: string, tensor: Tensor): void => graph.result(`act.${name}`, tensor);
        const { tokens, embedding } = visionTower(config, { embed: true, probe })(root)(x);
        graph.result('out.tokens_after_last_layer', tokens);
        if (embedding) graph.result('out.image_embeds', embedding);
      }),
    );
    store.checkAllUsed();
    return mergeRuns(context, runs);
  },
};

/** Results of one run a sample as outputs of the whole batch; those that are stored, intermediates only when asked for. */
export function mergeRuns({ io, blocks }: CaseContext, runs: readonly Results[]): Output[] {
  const names = Object.keys(runs[0] ?? {}).filter(
    (name) => io.has(name) && (blocks || !name.startsWith('act.')),
  );
  return names.map((name) => ({
    name,
    values: joined(runs.map((run) => run[name] ?? new Float32Array())),
    measure: 'network',
  }));
}
