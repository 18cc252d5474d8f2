/** Text encoders of picture models: Gemma 2 and 3, and the Jina CLIP text tower. Texts run at their true length. */
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import type { Shape } from '../../../src/engine/gpu/tensor.ts';
import { parseGemmaConfig } from '../../../src/engine/models/gemma/config.ts';
import { gemmaEncoder } from '../../../src/engine/models/gemma/gemma.ts';
import { gemmaWeights, readGemmaRows } from '../../../src/engine/models/gemma/weights.ts';
import { parseJinaConfig } from '../../../src/engine/models/jina/config.ts';
import { jinaEncoder, meanOfRows } from '../../../src/engine/models/jina/jina.ts';
import { jinaWeights, readJinaRows } from '../../../src/engine/models/jina/weights.ts';
import { headLayout } from '../../../src/engine/weights/head-padding.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { CaseContext, Checker, Output } from '../case.ts';

type Json = Readonly<Record<string, unknown>>;

const settings = (config: Json): Json => (config['config'] as Json | undefined) ?? config;

/** Rows of one text of a padded batch [B, L, C], as an output under the batch's name. */
const rowsAt = (name: string, values: Float32Array, text: number, length: number): Output => {
  const skipped = text * length;
  return { name, values, skipped, defined: skipped + values.length, measure: 'network' };
};

type Batch = { readonly texts: readonly (readonly number[])[]; readonly length: number };

/** The real ids of every text. */
async function readBatch(
  context: CaseContext,
  isReal: (id: number, at: number) => boolean,
): Promise<Batch> {
  const { values, shape } = await context.io.read('in.input_ids');
  const [B = 1, length = 1] = shape;
  const texts = Array.from({ length: B }, (_, b) =>
    [...values.subarray(b * length, (b + 1) * length)].filter((id, i) =>
      isReal(id, b * length + i),
    ),
  );
  return { texts, length };
}

export const gemma: Checker = {
  matches: (config, io) =>
    'query_pre_attn_scalar' in settings(config) && io.includes('in.input_ids'),
  async run(context) {
    const outputs: Output[] = [];
    for (const file of context.weightFiles) {
      const store = await context.open(file);
      const config = parseGemmaConfig(settings(context.config));
      const weights = gemmaWeights(store, config);
      const mask = (await context.io.read('in.attention_mask')).values;
      const { texts } = await readBatch(context, (_, at) => mask[at] !== 0);
      for (const [text, ids] of texts.entries()) {
        const embeddings = await readGemmaRows(weights, config, ids);
        const run = (name: string, softCap: number | undefined, probe: boolean) =>
          encodeGemma(context, {
            weights,
            config: { ...config, softCap },
            embeddings,
            name,
            probe,
          });
        const results = [
          ...(await run('out.cap_feats', config.softCap, context.blocks)),
          ...(context.io.has('out.cap_feats_sdpa')
            ? await run('out.cap_feats_sdpa', undefined, false)
            : []),
        ];
        const n = ids.length;
        for (const own of results) {
          const { shape } = await context.io.read(own.name);
          outputs.push(...placed(own, { text, n, shape }));
        }
      }
    }
    return outputs;
  },
};

type Kept = { readonly name: string; readonly values: Float32Array };

type GemmaRun = {
  readonly weights: ReturnType<typeof gemmaWeights>;
  readonly config: ReturnType<typeof parseGemmaConfig>;
  readonly embeddings: Float32Array;
  readonly name: string;
  readonly probe: boolean;
};

async function encodeGemma({ io, ...context }: CaseContext, run: GemmaRun): Promise<Kept[]> {
  const { weights, config, embeddings, name, probe } = run;
  const count = config.layers.length;
  const results = await runOnce(context, weights, (root) => {
    const keep = (inner: string, tensor: Tensor): void => {
      const widened = headLayout(config.headDim, 'half').padded !== config.headDim;
      if (widened && /[qk]_norm$|attn_context$/.test(inner)) return; // no such tensor in the reference
      if (io.has(`mid.${inner}`)) root.graph.result(`mid.${inner}`, tensor);
    };
    const options = { layers: count - 1, finalNorm: false };
    root.graph.result(
      name,
      gemmaEncoder(config, options)(root)(embeddings, probe ? keep : undefined),
    );
  });
  const kept = Object.entries(results).map(([key, values]) => ({ name: key, values }));
  if (name !== 'out.cap_feats' || !io.has('out.last_hidden_state')) return kept;
  const whole = await runOnce(context, weights, (root) => {
    const options = { layers: count, finalNorm: true };
    root.graph.result('out.last_hidden_state', gemmaEncoder(config, options)(root)(embeddings));
  });
  return [...kept, ...Object.entries(whole).map(([key, values]) => ({ name: key, values }))];
}

/**
 * Where the rows of one text stand in a padded batch: [B, L, C], or [B, heads, L, D] for norms of heads, whose rows we
 * keep token by token.
 */
function placed(
  { name, values }: Kept,
  { text, n, shape }: { text: number; n: number; shape: Shape },
): Output[] {
  if (shape.length === 3) return [rowsAt(name, values, text, (shape[1] ?? 1) * (shape[2] ?? 1))];
  const [, heads = 1, length = 1, D = 1] = shape;
  return Array.from({ length: heads }, (_, head) => {
    const skipped = (text * heads + head) * length * D;
    const own = Float32Array.from(
      { length: n * D },
      (_, i) => values[(Math.floor(i / D) * heads + head) * D + (i % D)] ?? NaN,
    );
    return { name, values: own, skipped, defined: skipped + own.length, measure: 'network' };
  });
}

export const jina: Checker = {
  matches: (config, io) =>
    'lora_rank' in settings(config) && io.includes('in.input_ids') && io.includes('out.pooled'),
  async run(context) {
    const outputs: Output[] = [];
    const config = parseJinaConfig(settings(context.config));
    const { width } = config;
    const { texts, length } = await readBatch(context, (id) => id !== config.padId);
    for (const file of context.weightFiles) {
      const store = await context.open(file);
      const weights = jinaWeights(store, config);
      for (const [text, ids] of texts.entries()) {
        const embeddings = await readJinaRows(weights, config, ids);
        const results = await runOnce(context, weights, (root) => {
          const keep = (name: string, tensor: Tensor): void =>
            root.graph.result(`mid.${name}`, tensor);
          const probe = context.blocks ? keep : undefined;
          root.graph.result('out.last_hidden_state', jinaEncoder(config)(root)(embeddings, probe));
        });
        const rows = results['out.last_hidden_state'] ?? new Float32Array();
        const own = Object.entries(results).map(([name, values]) =>
          rowsAt(name, values, text, length * width),
        );
        own.push(rowsAt('out.pooled', meanOfRows(rows, width), text, width));
        const note = file === 'model' ? {} : { note: file };
        outputs.push(...own.map((output) => ({ ...output, ...note })));
      }
      store.checkAllUsed();
    }
    return outputs;
  },
};
