/** From a finished graph to what runs: passes, weights, recording. */
import type { Gpu } from '../gpu/device.ts';
import type { Graph } from '../graph/graph.ts';
import { fuse } from '../graph/passes/fuse.ts';
import type { Recording } from '../graph/record.ts';
import { record } from '../graph/record.ts';
import type { PipelineCache } from '../kernels/pipelines.ts';
import type { WeightLease } from '../weights/keeper.ts';

/**
 * Fuses `graph`, loads what it needs into `weights` and resolves to its recording. Throws what loading and recording throw,
 * and `AbortError` once `signal` has fired.
 */
export async function prepare(
  graph: Graph,
  { gpu, pipelines }: { readonly gpu: Gpu; readonly pipelines: PipelineCache },
  weights: Pick<WeightLease, 'load' | 'get'>,
  signal?: AbortSignal,
): Promise<Recording> {
  fuse(graph, gpu.caps);
  await weights.load(graph);
  signal?.throwIfAborted();
  return record(graph, { gpu, pipelines, weights: (key) => weights.get(key) });
}
