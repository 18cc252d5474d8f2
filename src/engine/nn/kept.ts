/** What is computed once and read later on: results of a graph, with its weights and arena given back. */
import type { DeviceTensor } from '../gpu/tensor.ts';
import { bytesOf, createTensor } from '../gpu/tensor.ts';
import { EngineError } from '../gpu/errors.ts';
import { Graph } from '../graph/graph.ts';
import type { Recording } from '../graph/record.ts';
import { Scope } from './module.ts';
import { prepare } from './prepare.ts';
import type { Engine, RunOptions } from './run-once.ts';
import type { WeightLease } from '../weights/keeper.ts';
import { ownWeights } from '../weights/keeper.ts';
import type { WeightSource } from '../weights/upload.ts';

/** Tensors by name, each in memory of its own. */
export class Kept {
  readonly #tensors: ReadonlyMap<string, DeviceTensor>;

  constructor(tensors: ReadonlyMap<string, DeviceTensor>) {
    this.#tensors = tensors;
  }

  get bytes(): number {
    return [...this.#tensors.values()].reduce(
      (n, { shape, dtype }) => n + bytesOf(shape, dtype),
      0,
    );
  }

  /** Returns the tensor that was a result under `name`. Throws `graph/result` when there is none. */
  get(name: string): DeviceTensor {
    const tensor = this.#tensors.get(name);
    if (tensor) return tensor;
    throw new EngineError('graph/result', `kept results — got "${name}", which is none of them`);
  }

  destroy(): void {
    for (const { buffer } of this.#tensors.values()) buffer.destroy();
  }
}

/** Builds and runs a graph once; resolves to its results. Nothing else of it stays on the device. */
export async function computeOnce(
  engine: Engine,
  source: WeightSource,
  build: (root: Scope) => void,
  options: RunOptions = {},
): Promise<Kept> {
  const { gpu, executor } = engine;
  const weights = ownWeights(gpu, source);
  try {
    const { graph, recording } = await recordGraph(engine, weights, build);
    try {
      await executor.replay(recording, options);
      const names = [...graph.results.keys()];
      const kept = names.map((name) => [name, copyOf(gpu.device, recording.result(name))] as const);
      await gpu.device.queue.onSubmittedWorkDone();
      return new Kept(new Map(kept));
    } finally {
      recording.destroy();
    }
  } finally {
    weights.release();
  }
}

/** Builds a graph, loads what it needs into `weights` and records it. */
export async function recordGraph(
  engine: Engine,
  weights: Pick<WeightLease, 'load' | 'get'>,
  build: (root: Scope) => void,
): Promise<{ readonly graph: Graph; readonly recording: Recording }> {
  const { precision, quantise } = engine;
  const graph = new Graph({ precision, quantise });
  build(new Scope(graph));
  return { graph, recording: await prepare(graph, engine, weights) };
}

function copyOf(device: GPUDevice, tensor: DeviceTensor): DeviceTensor {
  const copy = createTensor(device, tensor.label, tensor.shape, tensor.dtype);
  const encoder = device.createCommandEncoder({ label: `${tensor.label}/keep` });
  const bytes = bytesOf(tensor.shape, tensor.dtype);
  encoder.copyBufferToBuffer(tensor.buffer, tensor.offset, copy.buffer, 0, bytes);
  device.queue.submit([encoder.finish()]);
  return copy;
}
