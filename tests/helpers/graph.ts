/** Runs a graph once on a device, for tests of ops and models. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { createTensor, readTensor, writeTensor } from '../../src/engine/gpu/tensor.ts';
import type { Dtype, Shape } from '../../src/engine/gpu/tensor.ts';
import type { Graph, Tensor } from '../../src/engine/graph/graph.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { WeightSet } from '../../src/engine/weights/upload.ts';

const caches = new WeakMap<Gpu, PipelineCache>();

/** The pipelines of a device, kept for the whole test file. */
export function pipelinesOf(gpu: Gpu): PipelineCache {
  const cache = caches.get(gpu) ?? new PipelineCache(gpu.device);
  caches.set(gpu, cache);
  return cache;
}

/** Returns a graph input that holds `values`. */
export function given(
  gpu: Gpu,
  graph: Graph,
  label: string,
  values: ArrayLike<number>,
  shape: Shape,
  dtype: Dtype = 'f32',
): Tensor {
  const tensor = createTensor(gpu.device, label, shape, dtype);
  writeTensor(gpu.device, tensor, values);
  return graph.external(tensor);
}

/** Returns the values of every result of `graph` after one run. */
export async function runGraph(
  gpu: Gpu,
  graph: Graph,
  source?: WeightSource,
): Promise<Record<string, Float32Array>> {
  const weights = new WeightSet(gpu, source ?? { info: missing, read: missing });
  await weights.load(graph);
  gpu.device.pushErrorScope('validation');
  const recording = await record(graph, {
    gpu,
    pipelines: pipelinesOf(gpu),
    weights: (key) => weights.get(key),
  });
  await new Executor(gpu).replay(recording);
  const error = await gpu.device.popErrorScope();
  if (error) throw new Error(error.message);
  const results: Record<string, Float32Array> = {};
  for (const name of graph.results.keys())
    results[name] = await readTensor(gpu.device, recording.result(name));
  recording.destroy();
  weights.destroy();
  return results;
}

function missing(name: string): never {
  throw new Error(`the graph asks for the weight ${name}, the test gives none`);
}
