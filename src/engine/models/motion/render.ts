/** The renderer: frames of the picture moved along a field, one recording replayed for all of them. */
import type { Gpu } from '../../gpu/device.ts';
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { createTensor, readBytes, writeTensor } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { Precision, Tensor } from '../../graph/graph.ts';
import { advance } from '../../graph/ops/scheduler.ts';
import { blendKeys, mend, warp } from '../../graph/ops/warp.ts';
import type { FrameSize } from '../../graph/ops/warp.ts';
import { FLOATS_PER_FRAME } from '../../kernels/blend-keys.ts';
import { Scope } from '../../nn/module.ts';
import type { Raster } from '../../image/resize.ts';
import type { MotionConfig } from './config.ts';
import { refiner } from './model.ts';

/** What frames are made of; it lives on the device and outside the graph. */
export class FrameState {
  readonly size: FrameSize;
  readonly #device: GPUDevice;
  readonly #keys: DeviceTensor;
  readonly #picture: DeviceTensor;
  readonly #frames: DeviceTensor;
  readonly #step: DeviceTensor;

  /** `keys` [K, h, w, 4] as `composeField` returns it; `table` as `frameTable` does. */
  constructor(
    { device }: Gpu,
    picture: Raster,
    size: FrameSize,
    keys: { readonly values: Float32Array; readonly shape: readonly [number, number, number] },
    table: Float32Array,
  ) {
    const make = (label: string, shape: readonly number[], values: Float32Array): DeviceTensor => {
      const tensor = createTensor(device, `frames/${label}`, shape);
      writeTensor(device, tensor, values);
      return tensor;
    };
    this.size = size;
    this.#device = device;
    this.#keys = make('keys', [...keys.shape, 4], keys.values);
    this.#picture = make('picture', [picture.height, picture.width, 3], picture.data);
    this.#frames = make('table', [table.length / FLOATS_PER_FRAME, FLOATS_PER_FRAME], table);
    this.#step = createTensor(device, 'frames/step', [1], 'u32');
  }

  /** Makes `frame` the one that comes next. */
  start(frame = 0): void {
    writeTensor(this.#device, this.#step, [frame]);
  }

  /** Returns the tensors as externals of `graph`. */
  in(graph: Graph): Readonly<Record<'keys' | 'picture' | 'frames' | 'step', Tensor>> {
    return {
      keys: graph.external(this.#keys),
      picture: graph.external(this.#picture),
      frames: graph.external(this.#frames),
      step: graph.external(this.#step),
    };
  }

  destroy(): void {
    for (const { buffer } of [this.#keys, this.#picture, this.#frames, this.#step])
      buffer.destroy();
  }
}

/** Returns the graph of one frame: result `frame` [H · W] RGBA8; each run moves the state on to the next frame. */
export function frameGraph(config: MotionConfig, state: FrameState, precision: Precision): Graph {
  const graph = new Graph({ precision });
  const { keys, picture, frames, step } = state.in(graph);
  const refine = refiner(config)(new Scope(graph, 'refine'));
  const field = blendKeys(keys, frames, step); // [h, w, 4]
  const warped = warp(field, picture, state.size); // [H', W', 32]
  const delta = refine(warped); // [H', W', 12]
  graph.result('frame', mend(warped, delta, state.size));
  graph.result('warped', warped);
  graph.result('delta', delta);
  advance(step);
  return graph;
}

/** Resolves to the RGBA bytes of a frame tensor. */
export async function readFrame(
  { device }: Gpu,
  frame: DeviceTensor,
  { height, width }: FrameSize,
): Promise<Uint8ClampedArray<ArrayBuffer>> {
  return new Uint8ClampedArray(await readBytes(device, frame), 0, height * width * 4);
}
