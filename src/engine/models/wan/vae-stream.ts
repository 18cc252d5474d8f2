/** One direction of a Wan autoencoder at one size: recordings for the parts of a stream, and the memory they share. */
import type { DeviceTensor, Dtype } from '../../gpu/tensor.ts';
import { bytesOf, createTensor, writeTensor } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { Recording } from '../../graph/record.ts';
import type { StreamPart } from '../../nn/histories.ts';
import { Histories } from '../../nn/histories.ts';
import { Scope } from '../../nn/module.ts';
import { prepare } from '../../nn/prepare.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { WeightSet } from '../../weights/upload.ts';
import type { VaeConfig } from './vae-config.ts';
import { vaeDecoder } from './vae-decoder.ts';
import { vaeEncoder } from './vae-encoder.ts';
import type { Frames } from './vae-video.ts';

export type Direction = 'encode' | 'decode';

export type StreamPlan = {
  readonly config: VaeConfig;
  readonly direction: Direction;
  /** Rows, columns and channels of what goes in. */
  readonly size: readonly [H: number, W: number, C: number];
  /** Storage of residual sums at f16 precision. */
  readonly residual: Dtype;
  /** Whether intermediates stay readable under their names, for tests. */
  readonly taps: boolean;
};

type Part = { readonly input: DeviceTensor; readonly recording: Recording };

/** Runs chunk after chunk; a part is recorded when it is first needed. */
export class VaeStream {
  readonly #engine: Engine;
  readonly #weights: WeightSet;
  readonly #plan: StreamPlan;
  readonly #histories: Histories;
  readonly #parts = new Map<string, Part>();

  constructor(engine: Engine, weights: WeightSet, plan: StreamPlan) {
    this.#engine = engine;
    this.#weights = weights;
    this.#plan = plan;
    this.#histories = new Histories(engine.gpu, engine.precision);
  }

  /**
   * Runs a chunk of the stream, `count` frames of which those that are not known are zero; `first` starts a new stream,
   * `image` is one of a single chunk. Resolves to the recording whose result `y` holds what came out, until the next run.
   */
  async run(
    part: StreamPart,
    count: number,
    known: Frames,
    options: RunOptions,
  ): Promise<Recording> {
    const key = `${part}/${count}`;
    const ready = this.#parts.get(key) ?? (await this.#record(part, count));
    this.#parts.set(key, ready);
    options.signal?.throwIfAborted();
    this.#fill(ready.input, count, known);
    await this.#engine.executor.replay(ready.recording, options);
    return ready.recording;
  }

  destroy(): void {
    for (const { input, recording } of this.#parts.values()) {
      input.buffer.destroy();
      recording.destroy();
    }
    this.#parts.clear();
    this.#histories.destroy();
  }

  /** Puts frames in place, one at a time; what is zero is made so on the device. */
  #fill(input: DeviceTensor, count: number, known: Frames): void {
    const { device } = this.#engine.gpu;
    const shape = [1, ...this.#plan.size];
    const bytes = bytesOf(shape, 'f32');
    const encoder = device.createCommandEncoder({ label: 'vae/frames' });
    if (known.size < count) encoder.clearBuffer(input.buffer, input.offset, count * bytes);
    for (const [index, frame] of known) {
      if (frame instanceof Float32Array) continue;
      const { buffer, offset } = frame;
      encoder.copyBufferToBuffer(buffer, offset, input.buffer, input.offset + index * bytes, bytes);
    }
    device.queue.submit([encoder.finish()]);
    for (const [index, frame] of known) {
      if (!(frame instanceof Float32Array)) continue;
      writeTensor(device, { ...input, shape, offset: input.offset + index * bytes }, frame);
    }
  }

  async #record(part: StreamPart, frames: number): Promise<Part> {
    const { gpu, pipelines, precision } = this.#engine;
    const { config, direction, size, residual, taps } = this.#plan;
    const graph = new Graph({ precision, residual });
    const input = createTensor(gpu.device, `vae/${direction}/${part}/input`, [frames, ...size]);
    const tap = (name: string, x: Parameters<Graph['result']>[1]): void => {
      if (taps) graph.result(name, x);
    };
    const network = direction === 'encode' ? vaeEncoder : vaeDecoder;
    const stream = this.#histories.stream(part);
    graph.result('y', network(config, stream, tap)(new Scope(graph))(graph.external(input)));
    const recording = await prepare(graph, { gpu, pipelines }, this.#weights);
    return { input, recording };
  }
}
