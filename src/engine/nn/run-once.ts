/** Runs networks a single time: builds them, loads the weights, runs, reads the results and frees everything. */
import type { Gpu } from '../gpu/device.ts';
import { readTensor } from '../gpu/tensor.ts';
import type { Precision, WeightPolicy } from '../graph/graph.ts';
import { Graph } from '../graph/graph.ts';
import type { Executor } from '../graph/replay.ts';
import type { PipelineCache } from '../kernels/pipelines.ts';
import type { WeightKeeper, WeightLease } from '../weights/keeper.ts';
import { ownWeights } from '../weights/keeper.ts';
import { StreamedWeights } from '../weights/streamed.ts';
import type { WeightSource } from '../weights/upload.ts';
import { Scope } from './module.ts';
import { prepare } from './prepare.ts';

/** What networks run on. */
export type Engine = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly executor: Executor;
  readonly precision: Precision;
  /** Which weight matrices are stored as small integers; none if left out. */
  readonly quantise?: WeightPolicy | undefined;
  /** What holds weights from run to run; without it they are freed after each use. */
  readonly keeper?: WeightKeeper | undefined;
  /** Whether weights are read block by block in each run of a network, for those that the device cannot hold whole. */
  readonly stream?: boolean | undefined;
};

/** Returns the weights of `source` as `engine` stores them; whoever asks must release them. */
export const leaseWeights = (
  { gpu, keeper, stream, precision, quantise }: Engine,
  source: WeightSource,
): WeightLease => {
  if (stream === true) return new StreamedWeights(gpu, source);
  return keeper?.borrow({ source, precision, quantise }) ?? ownWeights(gpu, source);
};

export type RunOptions = {
  readonly signal?: AbortSignal;
  /** Share of the work that is done, 0 … 1. */
  readonly onProgress?: (done: number) => void;
  /** What the work is called in a profile, where runs of several kinds go on at a time. */
  readonly stage?: string;
};

/** Values of a graph's results, unpadded, by name. */
export type Results = Readonly<Record<string, Float32Array>>;

/**
 * Builds and runs one graph after another with the same weights; resolves to the values of every `graph.result` that
 * each of them names. Nothing stays on the device but weights that the engine's keeper holds.
 * Throws what loading, recording and running throw; `AbortError` once `signal` fires.
 */
export async function runEach(
  engine: Engine,
  source: WeightSource,
  builds: readonly ((root: Scope) => void)[],
  options: RunOptions = {},
): Promise<readonly Results[]> {
  const weights = leaseWeights(engine, source);
  try {
    const all: Results[] = [];
    for (const build of builds) {
      const onProgress = (done: number): void =>
        options.onProgress?.((all.length + done) / builds.length);
      all.push(await runGraph(engine, weights, build, { ...options, onProgress }));
    }
    return all;
  } finally {
    weights.release();
  }
}

/** Builds and runs a single graph; see `runEach`. */
export async function runOnce(
  engine: Engine,
  source: WeightSource,
  build: (root: Scope) => void,
  options: RunOptions = {},
): Promise<Results> {
  const [results = {}] = await runEach(engine, source, [build], options);
  return results;
}

async function runGraph(
  engine: Engine,
  weights: WeightLease,
  build: (root: Scope) => void,
  options: RunOptions,
): Promise<Results> {
  const { gpu, executor, precision, quantise } = engine;
  const graph = new Graph({ precision, quantise });
  build(new Scope(graph));
  const recording = await prepare(graph, engine, weights, options.signal);
  recording.feed = weights.feedFor?.(recording);
  try {
    await executor.replay(recording, options);
    const results: Record<string, Float32Array> = {};
    for (const name of graph.results.keys())
      results[name] = await readTensor(gpu.device, recording.result(name));
    return results;
  } finally {
    recording.destroy();
  }
}
