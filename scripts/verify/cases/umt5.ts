/** The UMT5 text encoder, run at the true length of the text. */
import type { Config } from '../../../src/engine/models/config-json.ts';
import { renameUmt5 } from '../../../src/engine/models/wan/names-encoders.ts';
import {
  parseUmt5Config,
  readUmt5Inputs,
  relativeBucket,
  umt5Encoder,
} from '../../../src/engine/models/wan/umt5.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { CaseContext, Checker, Output } from '../case.ts';

const BUCKETS = 'mid.bucket_of_relative_position_-300..300';

export const umt5: Checker = {
  matches: ({ text_encoder }, io) =>
    typeof text_encoder === 'object' && text_encoder !== null && io.includes('in.input_ids'),
  async run(context) {
    const outputs: Output[] = [];
    for (const path of context.weightFiles) {
      const note = path === 'model' ? {} : { note: path };
      outputs.push(...(await encode(context, path)).map((output) => ({ ...output, ...note })));
    }
    const { buckets, maxDistance } = parseUmt5Config(context.config['text_encoder'] as Config);
    if (context.blocks && context.io.has(BUCKETS)) {
      const values = Float32Array.from({ length: 601 }, (_, i) =>
        relativeBucket(i - 300, buckets, maxDistance),
      );
      outputs.push({ name: BUCKETS, values, measure: 'network' });
    }
    return outputs;
  },
};

async function encode(context: CaseContext, path: string): Promise<Output[]> {
  const { io, blocks } = context;
  const config = parseUmt5Config(context.config['text_encoder'] as Config);
  const store = await context.open(path, renameUmt5);
  const mask = (await io.read('in.attention_mask')).values;
  const ids = (await io.read('in.input_ids')).values.filter((_, i) => mask[i] !== 0);
  const inputs = await readUmt5Inputs(store, config, ids);
  const run = (probe: boolean) =>
    runOnce(context, store, (root) => {
      const keep = probe ? root.graph.result.bind(root.graph) : undefined;
      root.graph.result('text', umt5Encoder(config)(root)(inputs, keep));
    });
  const { text = new Float32Array() } = await run(false);
  const shape = (await io.read('out.prompt_embeds')).shape;
  const padded = new Float32Array((shape[1] ?? 0) * config.width);
  padded.set(text);
  const outputs: Output[] = [
    { name: 'out.prompt_embeds', values: padded, measure: 'network' },
    // Rows past the real tokens come of padding that nothing ever reads.
    { name: 'out.last_hidden_state', values: text, defined: text.length, measure: 'network' },
  ];
  if (!blocks) return outputs;
  const kept = { ...(await run(true)), embeddings: inputs.embeddings };
  const known = Object.entries(kept).filter(([name]) => io.has(`mid.${name}`));
  return [
    ...outputs,
    ...known.map(([name, values]): Output => ({
      name: `mid.${name}`,
      values,
      defined: values.length,
      measure: 'network',
    })),
  ];
}
