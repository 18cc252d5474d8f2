/**
 * What a NextDiT's blocks are told of time and prompt: a scale and a gate for each half of a block. It depends on nothing
 * else, so it is worked out for all steps of a schedule at once, and its weights, a tenth of the model, are freed.
 */
import type { Tensor } from '../../graph/graph.ts';
import { silu } from '../../graph/ops/elementwise.ts';
import { concat } from '../../graph/ops/layout.ts';
import { timestepSinusoid } from '../../kernels/rope.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear, rmsNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';
import type { Engine, Results, RunOptions } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { NextDitConfig } from './config.ts';

/** Rows of one block: scale and gate of attention, scale and gate of feed-forward. */
const PARTS = 4;

/** Where a block's rows start, counted over noise refiner and layers; and where those of the last layer stand. */
export const modulationParts = ({ refinerLayers, layers }: NextDitConfig) => {
  const blocks = refinerLayers + layers;
  return {
    noise: (index: number): number => PARTS * index,
    layer: (index: number): number => PARTS * (refinerLayers + index),
    final: PARTS * blocks,
    /** A row of zeros: there is no shift. */
    none: PARTS * blocks + 1,
    count: PARTS * blocks + 2,
  };
};

const modulationLayer = (ins: number, out: number): Module<Layer> =>
  linear({ in: ins, out, dtype: 'f32' });

const timeEmbedder = ({ freqDim, conditionDim }: NextDitConfig): Module<Layer> =>
  block(
    {
      'mlp.0': linear({ in: freqDim, out: conditionDim, dtype: 'f32' }),
      'mlp.2': linear({ in: conditionDim, out: conditionDim, dtype: 'f32' }),
    },
    (m, x: Tensor) => m['mlp.2'](silu(m['mlp.0'](x))),
  );

const pooledProjection = (width: number, eps: number): Module<Layer> =>
  block(
    {
      0: rmsNorm({ channels: width, eps }),
      1: linear({ in: width, out: width, dtype: 'f32' }),
    },
    (m, pooled: Tensor) => m[1](m[0](pooled)),
  );

/** Sinusoids [steps, freqDim] and pooled text [steps, pooledDim] -> conditions [steps, conditionDim] and all modulations. */
const modulationNetwork = (config: NextDitConfig) => {
  const { width, conditionDim, pooledDim, pooledEps, refinerLayers, layers } = config;
  const ofBlock = modulationLayer(conditionDim, PARTS * width);
  const own = (count: number) =>
    list(count, () =>
      block({ 'adaLN_modulation.1': ofBlock }, (m, c: Tensor) => m['adaLN_modulation.1'](c)),
    );
  return block(
    {
      t_embedder: timeEmbedder(config),
      clip_text_pooled_proj:
        pooledDim === undefined ? absent : pooledProjection(pooledDim, pooledEps),
      'time_text_embed.1':
        pooledDim === undefined ? absent : modulationLayer(conditionDim + pooledDim, conditionDim),
      noise_refiner: own(refinerLayers),
      layers: own(layers),
      'final_layer.adaLN_modulation.1': modulationLayer(conditionDim, width),
    },
    (m, sinusoids: Tensor, pooled: Tensor | undefined) => {
      const { graph } = sinusoids;
      const time = m.t_embedder(sinusoids);
      graph.result('t_embedder', time);
      let condition = time;
      if (pooled && m.clip_text_pooled_proj && m['time_text_embed.1']) {
        const text = m.clip_text_pooled_proj(pooled);
        graph.result('clip_text_pooled_proj', text);
        condition = m['time_text_embed.1'](silu(concat([time, text], 1)));
      }
      graph.result('adaln_input', condition);
      const c = silu(condition);
      [...m.noise_refiner, ...m.layers].forEach((run, i) => graph.result(`block.${i}`, run(c)));
      graph.result('final', m['final_layer.adaLN_modulation.1'](c));
    },
  );
};

export type Modulation = {
  /** Rows for each step, gates after their tanh: [steps, count, width]. */
  readonly table: Float32Array;
  /** What the network gave on the way, by name, for tests: `adaln_input`, `block.0`, … */
  readonly results: Results;
};

/** Resolves to the modulation at `times`, 0 … 1, for a pooled text [pooledDim]; the weights are freed again. */
export async function computeModulation(
  engine: Engine,
  weights: WeightSource,
  config: NextDitConfig,
  request: { readonly times: readonly number[]; readonly pooled: Float32Array | undefined },
  options: RunOptions = {},
): Promise<Modulation> {
  const { times, pooled } = request;
  const steps = times.length;
  const sinusoids = new Float32Array(steps * config.freqDim);
  times.forEach((t, i) => sinusoids.set(timestepSinusoid(t, config.freqDim), i * config.freqDim));
  const results = await runOnce(
    engine,
    weights,
    (root) => {
      const { graph } = root;
      const text = pooled && repeated(pooled, steps);
      modulationNetwork(config)(root)(
        graph.constant('sinusoids', sinusoids, [steps, config.freqDim]),
        text && graph.constant('pooled', text, [steps, pooled.length]),
      );
    },
    options,
  );
  return { table: tableOf(results, config, steps), results };
}

function repeated(row: Float32Array, count: number): Float32Array {
  const rows = new Float32Array(count * row.length);
  for (let i = 0; i < count; i++) rows.set(row, i * row.length);
  return rows;
}

function tableOf(results: Results, config: NextDitConfig, steps: number): Float32Array {
  const { width } = config;
  const parts = modulationParts(config);
  const table = new Float32Array(steps * parts.count * width);
  for (let step = 0; step < steps; step++) {
    const at = step * parts.count * width;
    for (let i = 0; i < config.refinerLayers + config.layers; i++) {
      const span = PARTS * width;
      const own = results[`block.${i}`]?.subarray(step * span, (step + 1) * span) ?? [];
      for (let k = 0; k < span; k++) {
        const gate = Math.floor(k / width) % 2 === 1;
        const value = own[k] ?? NaN;
        table[at + i * span + k] = gate ? Math.tanh(value) : value;
      }
    }
    const last = results['final']?.subarray(step * width, (step + 1) * width) ?? [];
    table.set(last, at + parts.final * width);
  }
  return table;
}
