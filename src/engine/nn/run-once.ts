/** Runs a network a single time: builds it, loads its weights, runs it, reads the results and frees everything. */
import type { Gpu } from '../gpu/device.ts';
import { readTensor } from '../gpu/tensor.ts';
import type { Precision } from '../graph/graph.ts';
import { Graph } from '../graph/graph.ts';
import { fuse } from '../graph/passes/fuse.ts';
import { record } from '../graph/record.ts';
import type { Executor } from '../graph/replay.ts';
import type { PipelineCache } from '../kernels/pipelines.ts';
import type { WeightSource } from '../weights/upload.ts';
import { WeightSet } from '../weights/upload.ts';
import { Scope } from './module.ts';

/** What networks run on. */
export type Engine = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly executor: Executor;
  readonly precision: Precision;
};

export type RunOptions = {
  readonly signal?: AbortSignal;
  /** Share of the work that is done, 0 … 1. */
  readonly onProgress?: (done: number) => void;
};

/**
 * Resolves to the values of every `graph.result` that `build` names, unpadded, by name. Nothing stays on the device.
 * Throws what loading, recording and running throw; `AbortError` once `signal` fires.
 */
export async function runOnce(
  engine: Engine,
  source: WeightSource,
  build: (root: Scope) => void,
  { signal, onProgress }: RunOptions = {},
): Promise<Readonly<Record<string, Float32Array>>> {
  const { gpu, pipelines, executor, precision } = engine;
  const graph = new Graph({ precision });
  build(new Scope(graph));
  fuse(graph);
  const weights = new WeightSet(gpu, source);
  try {
    await weights.load(graph);
    signal?.throwIfAborted();
    const recording = await record(graph, { gpu, pipelines, weights: (key) => weights.get(key) });
    try {
      await executor.replay(recording, {
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
      const results: Record<string, Float32Array> = {};
      for (const name of graph.results.keys())
        results[name] = await readTensor(gpu.device, recording.result(name));
      return results;
    } finally {
      recording.destroy();
    }
  } finally {
    weights.destroy();
  }
}
