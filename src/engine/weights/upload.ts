/** The weights of one model on the device: read from a store by key, packed for the kernels, in few large buffers. */
import { EngineError } from '../gpu/errors.ts';
import { isIntegerType } from '../gpu/integers.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf, packTensor, sizeOf } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { Place } from './quantiser.ts';
import { Quantiser } from './quantiser.ts';

/** Where weight values come from; see weight-store.ts. */
export type WeightSource = {
  info(name: string): { readonly shape: Shape };
  /** Resolves to the values, row-major, as f32. */
  read(name: string): Promise<Float32Array>;
};

const noValues = (): never => {
  throw new EngineError('engine/assert', 'weights — got shapes alone, needs values');
};

/** Weights without values: space is taken for them as for real ones, for forecasts of memory. */
export const SHAPES_ALONE: WeightSource = { info: noValues, read: noValues };

const BUFFER_BYTES = 128 * 2 ** 20;
const ALIGNMENT = 256;

/** Weights shared by all graphs of a model at one precision. */
export class WeightSet {
  readonly #gpu: Gpu;
  readonly #source: WeightSource;
  readonly #loaded = new Map<string, DeviceTensor>();
  readonly #buffers: GPUBuffer[] = [];
  #quantiser: Quantiser | undefined;
  #free = 0;
  /** Bytes still to come in the load that is going on. */
  #pending = 0;

  constructor(gpu: Gpu, source: WeightSource) {
    this.#gpu = gpu;
    this.#source = source;
  }

  /** Bytes held on the device. */
  get bytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.size, 0);
  }

  /**
   * Uploads what `graph` needs and is not there yet, one tensor at a time.
   * Throws `weights/shape` when the checkpoint's shape differs, `weights/dtype` when two graphs want other types.
   */
  async load(graph: Graph, onProgress?: (done: number) => void): Promise<void> {
    const wanted = [...graph.weights].filter(([key, tensor]) => !this.#has(key, tensor.dtype));
    const total = wanted.reduce((sum, [, tensor]) => sum + sizeOf(tensor.shape), 0);
    this.#pending = wanted.reduce((sum, [, tensor]) => sum + bytesWithScales(tensor), 0);
    let done = 0;
    for (const [key, tensor] of wanted) {
      await this.#upload(key, tensor);
      this.#pending -= bytesWithScales(tensor);
      done += sizeOf(tensor.shape);
      onProgress?.(done / total);
    }
  }

  /** Returns the device copy of `key`. Throws `weights/missing` when it was never loaded. */
  get(key: string): DeviceTensor {
    const tensor = this.#loaded.get(key);
    if (!tensor)
      throw new EngineError(
        'weights/missing',
        `weight ${key} — not loaded, load the graph's weights first`,
      );
    return tensor;
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.length = 0;
    this.#loaded.clear();
  }

  #has(key: string, dtype: Dtype): boolean {
    const known = this.#loaded.get(key);
    if (known && known.dtype !== dtype) {
      throw new EngineError(
        'weights/dtype',
        `weight ${key} — loaded as ${known.dtype}, needs ${dtype} — use one WeightSet a precision`,
      );
    }
    return known !== undefined;
  }

  async #upload(key: string, tensor: Tensor): Promise<void> {
    const { shape, dtype } = tensor;
    const scales = tensor.graph.scales(tensor);
    const place = this.#allocate(bytesOf(shape, dtype));
    const beside = scales && this.#allocate(bytesOf(scales.shape, scales.dtype));
    if (this.#source !== SHAPES_ALONE) await this.#fill(tensor, this.#source, place, beside);
    this.#loaded.set(key, { label: key, shape, dtype, ...place });
    if (!scales || !beside) return;
    const { label } = scales;
    this.#loaded.set(label, { label, shape: scales.shape, dtype: scales.dtype, ...beside });
  }

  /** Writes a weight, or the weights of a stack behind one another, as kernels read them; scales to a place of their own. */
  async #fill(
    tensor: Tensor,
    from: WeightSource,
    { buffer, offset }: Place,
    scales: Place | undefined,
  ): Promise<void> {
    let [at, scalesAt] = [offset, scales?.offset ?? 0];
    for (const part of tensor.source.kind === 'stack' ? tensor.source.parts : [tensor]) {
      const { shape, dtype, graph } = part;
      const values = await valuesOf(part, from);
      if (scales && isIntegerType(dtype)) {
        this.#quantiser ??= new Quantiser(this.#gpu.device);
        const beside = { buffer: scales.buffer, offset: scalesAt };
        await this.#quantiser.write(values, shape, dtype, {
          q: { buffer, offset: at },
          scales: beside,
        });
        scalesAt += bytesOf(graph.scales(part)?.shape ?? [0], 'f16');
      } else {
        this.#gpu.device.queue.writeBuffer(buffer, at, packTensor(values, shape, dtype));
      }
      at += bytesOf(shape, dtype);
    }
  }

  #allocate(size: number): Place {
    const last = this.#buffers.at(-1);
    if (last && this.#free + size <= last.size) {
      const offset = this.#free;
      this.#free = aligned(offset + size);
      return { buffer: last, offset };
    }
    const { maxBufferBytes } = this.#gpu.caps;
    if (size > maxBufferBytes) {
      throw new EngineError(
        'gpu/limit',
        `weight of ${size} bytes — this device allows ${maxBufferBytes}`,
        { have: maxBufferBytes, need: size },
      );
    }
    const buffer = this.#gpu.device.createBuffer({
      label: `weights ${this.#buffers.length}`,
      size: Math.max(aligned(size), Math.min(BUFFER_BYTES, maxBufferBytes, this.#pending)),
      usage: GPUUsage.storage | GPUUsage.copyDst | GPUUsage.copySrc,
    });
    this.#buffers.push(buffer);
    this.#free = aligned(size);
    return { buffer, offset: 0 };
  }
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Resolves to the values of one weight in the order in which kernels read them. */
async function valuesOf(
  { shape, source, label }: Tensor,
  from: WeightSource,
): Promise<Float32Array> {
  if (source.kind !== 'weight') {
    throw new EngineError('weights/missing', `${label} — got a ${source.kind}, needs a weight`);
  }
  const { key, stored, packing } = source;
  const { shape: found } = from.info(key);
  if (!sameAxes(found, stored)) {
    throw new EngineError(
      'weights/shape',
      `weight ${key} — got [${found.join(', ')}], needs [${stored.join(', ')}]`,
    );
  }
  const values = await from.read(key);
  return packing === 'conv' ? tapsBeforeChannels(values, shape) : values;
}

/** Bytes that a weight takes, its scales counted in. */
function bytesWithScales(tensor: Tensor): number {
  const scales = tensor.graph.scales(tensor);
  const own = aligned(bytesOf(tensor.shape, tensor.dtype));
  return own + (scales ? aligned(bytesOf(scales.shape, scales.dtype)) : 0);
}

/** Equal shapes, axes of length one left out: [1, 6, d] in a checkpoint may be [6, d] here. */
const sameAxes = (a: Shape, b: Shape): boolean =>
  a.filter((n) => n !== 1).join() === b.filter((n) => n !== 1).join();

/** [out, in, taps] -> [out, taps, in], the order in which the convolution kernels read. */
function tapsBeforeChannels(
  values: Float32Array,
  [outs = 1, taps = 1, ins = 1]: Shape,
): Float32Array {
  if (taps === 1) return values;
  const ordered = new Float32Array(values.length);
  for (let o = 0; o < outs; o++) {
    for (let i = 0; i < ins; i++) {
      for (let t = 0; t < taps; t++)
        ordered[(o * taps + t) * ins + i] = values[(o * ins + i) * taps + t] ?? 0;
    }
  }
  return ordered;
}
