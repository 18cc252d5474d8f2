/**
 * The memory of a stream that is processed in chunks: the last frames that each causal convolution has seen, kept on
 * the device between calls. The graph of the first chunk and the graph of all later ones share it.
 */
import type { Gpu } from '../gpu/device.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { createTensor } from '../gpu/tensor.ts';
import type { Graph, Tensor } from '../graph/graph.ts';

/** Which part of a stream a graph is for. `image`: a stream of one chunk, which leaves nothing behind. */
export type StreamPart = 'image' | 'first' | 'next';

/** What a module asks of the stream that it stands in. */
export type Stream = {
  readonly part: StreamPart;
  /** Returns the history kept under `key`, zeroed when new. */
  history(graph: Graph, key: string, shape: Shape): Tensor;
};

/** Owns the histories of one stream. */
export class Histories {
  readonly #gpu: Gpu;
  readonly #dtype: Dtype;
  readonly #kept = new Map<string, DeviceTensor>();

  constructor(gpu: Gpu, dtype: Dtype) {
    this.#gpu = gpu;
    this.#dtype = dtype;
  }

  /** Returns the stream as modules see it while they build the graph of `part`. */
  stream(part: StreamPart): Stream {
    return {
      part,
      history: (graph, key, shape) => {
        const known = this.#kept.get(key);
        const kept = known ?? createTensor(this.#gpu.device, `${key}/history`, shape, this.#dtype);
        this.#kept.set(key, kept);
        return graph.external(kept);
      },
    };
  }

  destroy(): void {
    for (const { buffer } of this.#kept.values()) buffer.destroy();
    this.#kept.clear();
  }
}
