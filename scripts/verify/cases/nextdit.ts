/** NextDiT transformers: NewBie with a pooled text, Lumina 2 without, guidance. Every sample of a batch runs alone. */
import type { Graph, Tensor } from '../../../src/engine/graph/graph.ts';
import { guided } from '../../../src/engine/graph/ops/guidance.ts';
import type { NextDitConfig } from '../../../src/engine/models/newbie/config.ts';
import { parseNextDitConfig } from '../../../src/engine/models/newbie/config.ts';
import {
  computeModulation,
  modulationParts,
} from '../../../src/engine/models/newbie/modulation.ts';
import { nextDit, nextDitCaption } from '../../../src/engine/models/newbie/nextdit.ts';
import { blocksOnly } from '../../../src/engine/models/newbie/policy.ts';
import { nextDitNames, nextDitWeights } from '../../../src/engine/models/newbie/weights.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { RowSource } from '../../../src/engine/weights/mapped.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';

type Json = Readonly<Record<string, unknown>>;

const settings = (config: Json): Json => (config['config'] as Json | undefined) ?? config;

type Model = { readonly config: NextDitConfig; readonly weights: RowSource };

/** One sample of a batch: latent [h, w, C], real text rows, pooled text. */
type Sample = {
  readonly latent: Float32Array;
  readonly size: readonly [h: number, w: number];
  readonly t: number;
  readonly text: Float32Array;
  readonly pooled: Float32Array | undefined;
};

const entry = ({ values, shape }: Values, index: number): Float32Array => {
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  return values.subarray(index * size, (index + 1) * size);
};

async function readSamples({ io }: CaseContext, latents: string): Promise<Sample[]> {
  const [x, t] = [await io.read(latents), await io.read('in.t')];
  const [text, mask] = [await io.read('in.cap_feats'), await io.read('in.cap_mask')];
  const pooled = io.has('in.clip_text_pooled') ? await io.read('in.clip_text_pooled') : undefined;
  const [B = 1, C = 1, h = 1, w = 1] = x.shape;
  return Array.from({ length: B }, (_, b) => {
    const rows = entry(mask, b).filter((value) => value !== 0).length;
    return {
      latent: channelsLast(entry(x, b), [1, C, h, w]),
      size: [h, w],
      t: t.values[b] ?? NaN,
      text: entry(text, b).subarray(0, rows * (text.shape[2] ?? 1)),
      pooled: pooled && entry(pooled, b),
    };
  });
}

type Kept = Readonly<Record<string, Float32Array>>;

/** Runs the transformer on one sample; `v` is [C, h, w], all else as the network gives it. */
async function runSample(
  context: CaseContext,
  { config, weights }: Model,
  sample: Sample,
  probe: boolean,
): Promise<Kept> {
  const { latent, size, text, pooled } = sample;
  const times = [sample.t];
  const modulation = await computeModulation(context, weights, config, { times, pooled, probe });
  const results = await runOnce(context, weights, (root) => {
    const { graph } = root;
    const keep = probe
      ? (name: string, tensor: Tensor): void => graph.result(name, tensor)
      : undefined;
    graph.result('v', velocity(graph, { caption: root, table: modulation.table, keep }));
  });
  const v = channelsFirst(results['v'] ?? new Float32Array(), config.channels);
  return { ...modulation, ...results, v };

  function velocity(
    graph: Graph,
    parts: {
      caption: Parameters<ReturnType<typeof nextDit>>[0];
      table: Float32Array;
      keep: ((name: string, tensor: Tensor) => void) | undefined;
    },
  ): Tensor {
    const { count } = modulationParts(config);
    const rows = graph.constant('text', text, [text.length / config.textDim, config.textDim]);
    return nextDit(config)(parts.caption)({
      latent: graph.constant('latent', latent, [...size, config.channels]),
      caption: nextDitCaption(config)(parts.caption)(rows, parts.keep),
      modulation: graph.constant('modulation', parts.table, [1, count, config.width]),
      probe: parts.keep,
    });
  }
}

/** Where one sample's values stand under a stored name: real rows first, padding after them. */
async function placed(
  { io }: CaseContext,
  name: string,
  values: Float32Array,
  sample: number,
): Promise<Output> {
  const { shape } = await io.read(name);
  const skipped = sample * shape.slice(1).reduce((a, b) => a * b, 1);
  return { name, values, skipped, defined: skipped + values.length, measure: 'network' };
}

/** Intermediates whose heads or rows the reference keeps in another way. */
const OTHERWISE = /attention\.context$|^final_layer$/;

async function compareBatch(context: CaseContext, model: Model, name: string): Promise<Output[]> {
  const outputs: Output[] = [];
  const samples = await readSamples(context, 'in.x');
  for (const [index, sample] of samples.entries()) {
    const kept = await runSample(context, model, sample, context.blocks);
    outputs.push(await placed(context, name, kept['v'] ?? new Float32Array(), index));
    if (!context.blocks) continue;
    const known = Object.entries(kept).filter(
      ([key]) => context.io.has(`mid.${key}`) && !OTHERWISE.test(key),
    );
    for (const [key, values] of known)
      outputs.push(await placed(context, `mid.${key}`, values, index));
  }
  return outputs;
}

const open = async (context: CaseContext, file: string): Promise<Model> => {
  const named = nextDitNames(await context.open(file));
  const config = parseNextDitConfig(settings(context.config), named);
  return { config, weights: nextDitWeights(named, config) };
};

export const newbieTransformer: Checker = {
  matches: (_, io) => io.includes('in.cap_feats') && io.includes('in.clip_text_pooled'),
  async run(whole) {
    const context = { ...whole, quantise: blocksOnly(whole.quantise) };
    const model = await open(context, 'model');
    const outputs = await compareBatch(context, model, 'out.v');
    if (context.io.has('out.v_no_pooled')) {
      for (const [index, sample] of (await readSamples(context, 'in.x')).entries()) {
        const { v } = await runSample(context, model, { ...sample, pooled: undefined }, false);
        outputs.push(await placed(context, 'out.v_no_pooled', v ?? new Float32Array(), index));
      }
    }
    const runs = (settings(context.config)['cfg_runs'] as Json[] | undefined) ?? [];
    for (const [index, run] of runs.entries())
      outputs.push(await guidedRun(context, model, run, `out.cfg.${index}`));
    return outputs;
  },
};

/** The first text of the batch against the second, on the first latent. */
async function guidedRun(
  context: CaseContext,
  model: Model,
  run: Json,
  name: string,
): Promise<Output> {
  const [first, second] = await readSamples(context, 'in.cfg.x');
  const t = Number(run['t']);
  const one = first && (await runSample(context, model, { ...first, t }, false));
  const c = one?.['v'] ?? new Float32Array();
  if (!first || !second || t >= Number(run['cfg_trunc']))
    return { name, values: c, measure: 'network' };
  const other = await runSample(context, model, { ...second, latent: first.latent, t }, false);
  const u = other['v'] ?? new Float32Array();
  const { values = new Float32Array() } = await runOnce(context, model.weights, ({ graph }) => {
    const [cond, uncond] = [c, u].map((v, i) => graph.constant(`v${i}`, v, [v.length]));
    if (!cond || !uncond) return;
    const limit = Number(run['renorm_cfg']);
    graph.result('values', guided(cond, uncond, Number(run['cfg_scale']), limit));
  });
  return { name, values, measure: 'network' };
}

export const luminaTransformer: Checker = {
  matches: (_, io) => io.includes('in.cap_feats') && io.includes('out.v'),
  async run(whole) {
    const context = { ...whole, quantise: blocksOnly(whole.quantise) };
    const outputs: Output[] = [];
    for (const file of context.weightFiles) {
      const model = await open(context, file);
      const original = { ...model.config, qkEps: 1e-6 };
      const note = file === 'model' ? {} : { note: file };
      const add = (own: readonly Output[]): void => {
        outputs.push(...own.map((output) => ({ ...output, ...note })));
      };
      if (file === 'model') add(await compareBatch(context, model, 'out.v'));
      if (context.io.has('out.v_nextdit')) {
        const named = nextDitNames(await context.open(file));
        const own = { config: original, weights: nextDitWeights(named, original) };
        add(await compareBatch({ ...context, blocks: false }, own, 'out.v_nextdit'));
      }
    }
    return outputs;
  },
};
