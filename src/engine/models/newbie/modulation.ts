/**
 * What a NextDiT's blocks are told of time and prompt: a scale and a gate for each half of a block. It depends on nothing
 * else, so it is worked out for all steps of a schedule at once, and its weights, a tenth of the model, are freed.
 */
import type { Graph, Tensor } from '../../graph/graph.ts';
import { add, mul, silu, tanh } from '../../graph/ops/elementwise.ts';
import { concat, reshape } from '../../graph/ops/layout.ts';
import { timestepSinusoid } from '../../kernels/rope.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear, rmsNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';
import type { Engine, Results, RunOptions } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { NextDitConfig } from './config.ts';

/** Called with intermediates, for tests. */
type Probe = (name: string, tensor: Tensor) => void;

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

/** What of a block's four rows stays as it is, and what is a gate and goes through tanh. */
const SCALES = [1, 0, 1, 0];
const GATES = [0, 1, 0, 1];

/** A block's numbers [n, 4 · width] -> its rows [n, 4, width], gates after their tanh. */
function blockRows(numbers: Tensor, width: number): Tensor {
  const { graph } = numbers;
  const rows = reshape(numbers, [numbers.shape[0] ?? 1, PARTS, width]);
  const pick = (which: readonly number[]): Tensor => {
    const values = Float32Array.from(
      { length: PARTS * width },
      (_, i) => which[Math.floor(i / width)] ?? 0,
    );
    return graph.constant('picked rows', values, [PARTS, width]);
  };
  return add(mul(rows, pick(SCALES)), mul(tanh(rows), pick(GATES)));
}

/**
 * Sinusoids [n, freqDim] of n times and the pooled text [n, pooledDim], once for each -> the rows that the blocks take at
 * each time: [n, parts, width], in the order of `modulationParts`.
 */
export const nextDitModulation = (
  config: NextDitConfig,
): Module<(sinusoids: Tensor, pooled: Tensor | undefined, probe?: Probe) => Tensor> => {
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
    (m, sinusoids: Tensor, pooled: Tensor | undefined, probe?: Probe) => {
      const { graph } = sinusoids;
      const n = sinusoids.shape[0] ?? 1;
      const time = m.t_embedder(sinusoids);
      probe?.('t_embedder', time);
      let condition = time;
      if (pooled && m.clip_text_pooled_proj && m['time_text_embed.1']) {
        const text = m.clip_text_pooled_proj(pooled);
        probe?.('clip_text_pooled_proj', text);
        condition = m['time_text_embed.1'](silu(concat([time, text], 1)));
      }
      probe?.('adaln_input', condition);
      const c = silu(condition);
      const rows = [...m.noise_refiner, ...m.layers].map((run, i) => {
        const numbers = run(c);
        if (i >= refinerLayers) probe?.(`layers.${i - refinerLayers}.adaLN_modulation`, numbers);
        return blockRows(numbers, width);
      });
      const last = reshape(m['final_layer.adaLN_modulation.1'](c), [n, 1, width]);
      const none = graph.constant('no shift', new Float32Array(n * width), [n, 1, width]);
      return concat([...rows, last, none], 1);
    },
  );
};

export type ModulationRequest = {
  /** Times, 0 … 1. */
  readonly times: readonly number[];
  /** Pooled text [pooledDim]; undefined for models that take none. */
  readonly pooled: Float32Array | undefined;
  /** Keeps intermediates, for tests. */
  readonly probe?: boolean;
};

/**
 * Resolves to the rows at all times: `table` [times, parts, width], and what was kept on the way. The weights are freed
 * again.
 */
export async function computeModulation(
  engine: Engine,
  weights: WeightSource,
  config: NextDitConfig,
  { times, pooled, probe = false }: ModulationRequest,
  options: RunOptions = {},
): Promise<Results & { readonly table: Float32Array }> {
  const results = await runOnce(
    engine,
    weights,
    (root) => {
      const keep = root.graph.result.bind(root.graph);
      const inputs = modulationInputs(root.graph, config, times, pooled);
      const network = nextDitModulation(config)(root);
      keep('table', network(inputs.sinusoids, inputs.pooled, probe ? keep : undefined));
    },
    options,
  );
  return { ...results, table: results['table'] ?? new Float32Array() };
}

/** Returns what `nextDitModulation` takes, as constants of `graph`. */
export function modulationInputs(
  graph: Graph,
  { freqDim }: NextDitConfig,
  times: readonly number[],
  pooled: Float32Array | undefined,
): { readonly sinusoids: Tensor; readonly pooled: Tensor | undefined } {
  const values = new Float32Array(times.length * freqDim);
  times.forEach((t, i) => values.set(timestepSinusoid(t, freqDim), i * freqDim));
  const rows = pooled && new Float32Array(times.length * pooled.length);
  if (pooled) times.forEach((_, i) => rows?.set(pooled, i * pooled.length));
  return {
    sinusoids: graph.constant('sinusoids', values, [times.length, freqDim]),
    pooled: rows && pooled && graph.constant('pooled', rows, [times.length, pooled.length]),
  };
}
