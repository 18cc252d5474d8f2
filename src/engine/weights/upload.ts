/** The weights of one model on the device: read from a store by key, packed for the kernels, in few large buffers. */
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf } from '../gpu/tensor.ts';
import type { Gpu } from '../gpu/device.ts';
import { checkpointWeights } from '../graph/graph.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { ByteSource } from './byte-source.ts';
import type { Packs } from './packs.ts';
import { packName } from './packs.ts';
import { readBuffer, WeightMemory } from './weight-memory.ts';
import type { Place } from './weight-memory.ts';
import type { WeightSource } from './weight-source.ts';
import { weightParts, weightSourceOf } from './weight-reader.ts';
import { copiesOf, targetsOf, WeightWriter } from './weight-writer.ts';

export { SHAPES_ALONE } from './weight-source.ts';
export type { WeightSource } from './weight-source.ts';

/** A weight and where it lies on the device, and its scales where it is quantised. */
type Placed = {
  readonly tensor: Tensor;
  readonly place: Place;
  readonly scales: Place | undefined;
};

/** Weights shared by all graphs of a model at one precision. */
export class WeightSet {
  readonly #gpu: Gpu;
  readonly #source: WeightSource;
  readonly #loaded = new Map<string, DeviceTensor>();
  readonly #memory: WeightMemory;
  readonly #writer: WeightWriter;

  constructor(gpu: Gpu, source: WeightSource) {
    this.#gpu = gpu;
    this.#source = source;
    this.#memory = new WeightMemory(gpu);
    this.#writer = new WeightWriter(gpu, source);
  }

  /** Bytes held on the device. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /**
   * Uploads what `graph` needs and is not there yet, some rows at a time. All shapes are compared before any value is
   * read. Throws `weights/shape` when the checkpoint's shape differs, `weights/missing`, `weights/dtype` when two graphs
   * want other types, `gpu/memory` when the device has no more.
   */
  async load(graph: Graph): Promise<void> {
    await this.loadTensors([...graph.weights.values()]);
  }

  /** Uploads those of `tensors` that are not there yet, likewise. */
  async loadTensors(tensors: readonly Tensor[]): Promise<void> {
    const wanted = tensors.filter(({ label, dtype }) => !this.#has(label, dtype));
    const source = this.#source;
    if (!source.fill) {
      for (const part of wanted.flatMap(weightParts)) checkShape(part, source);
    }
    this.#memory.announce(wanted.flatMap(sizesOf));
    const packs = wanted.some((tensor) => tensor.graph.scales(tensor)) && source.packs;
    const name = packs ? await packName(wanted) : '';
    const told = (error: unknown): undefined => void (packs && packs.onError(error));
    const pack = packs ? await packs.open(name).catch(told) : undefined;
    const before = this.#memory.count;
    const placed: Placed[] = [];
    for (const tensor of wanted) placed.push(await this.#place(tensor));
    if (pack === undefined && !source.fill) {
      await this.#writer.writeAll(
        placed.flatMap(({ tensor, place, scales }) => targetsOf(tensor, place, scales)),
      );
    }
    this.#writer.release();
    for (const each of placed) this.#register(each);
    const byLabel = new Map(wanted.map((tensor) => [tensor.label, tensor]));
    await source.fill?.(byLabel, (key) => this.get(key));
    const buffers = this.#memory.after(before);
    if (pack) await this.#unpack(pack, buffers);
    else if (packs) await this.#keep(packs, name, buffers).catch(told);
  }

  /** Copies a kept pack into the buffers that were made for it. */
  async #unpack(pack: ByteSource, buffers: readonly GPUBuffer[]): Promise<void> {
    let at = 0;
    const copies = buffers.flatMap((buffer) => {
      const start = at;
      at += buffer.size;
      return copiesOf(pack, start, at, { buffer, offset: 0 });
    });
    await this.#writer.copyAll(copies);
  }

  /** Keeps the weights of `graph` as they lie here, for `source`, which they were replaced by. */
  async keepFor({ packs }: WeightSource, graph: Graph): Promise<void> {
    const tensors = [...graph.weights.values()];
    if (!packs || !tensors.some((tensor) => tensor.graph.scales(tensor))) return;
    const name = await packName(tensors);
    await this.#keep(packs, name, this.#memory.after(0)).catch((error) => packs.onError(error));
  }

  async #keep(packs: Packs, name: string, buffers: readonly GPUBuffer[]): Promise<void> {
    const size = buffers.reduce((sum, buffer) => sum + buffer.size, 0);
    await packs.keep(name, size, readBuffers(this.#gpu.device, buffers));
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
    this.#writer.release();
    this.#memory.destroy();
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

  async #place(tensor: Tensor): Promise<Placed> {
    const [own = 0, beside] = sizesOf(tensor);
    const place = await this.#memory.take(own);
    const scales = beside === undefined ? undefined : await this.#memory.take(beside);
    if (this.#source.shapesAlone) this.#writer.reserve(tensor);
    return { tensor, place, scales };
  }

  #register({ tensor, place, scales }: Placed): void {
    const own = tensor.graph.scales(tensor);
    this.#loaded.set(tensor.label, deviceTensor(tensor, place));
    if (own && scales) this.#loaded.set(own.label, deviceTensor(own, scales));
  }
}

const deviceTensor = ({ label, shape, dtype }: Tensor, place: Place): DeviceTensor => ({
  ...{ label, shape, dtype },
  ...place,
});

/** Throws `weights/shape` for the first weight of `graph` whose shape differs in the checkpoint, `weights/missing` for one that is not there. */
export function checkShapes(graph: Graph, from: WeightSource): void {
  for (const tensor of checkpointWeights(graph).values()) checkShape(tensor, from);
}

/** Yields the bytes of buffers, one after the other, in pieces that fit into memory. */
async function* readBuffers(
  device: GPUDevice,
  buffers: readonly GPUBuffer[],
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const buffer of buffers) yield* readBuffer(device, buffer, buffer.size);
}

/** Bytes of the places that a weight takes: its own, and that of its scales. */
function sizesOf(tensor: Tensor): readonly number[] {
  const scales = tensor.graph.scales(tensor);
  const own = bytesOf(tensor.shape, tensor.dtype);
  return scales ? [own, bytesOf(scales.shape, scales.dtype)] : [own];
}

function checkShape(tensor: Tensor, from: WeightSource): void {
  const { key, stored } = weightSourceOf(tensor);
  const { shape: found } = from.info(key);
  if (sameAxes(found, stored)) return;
  throw new EngineError(
    'weights/shape',
    `weight ${key} — got [${found.join(', ')}], needs [${stored.join(', ')}]`,
  );
}

/** Equal shapes, axes of length one left out: [1, 6, d] in a checkpoint may be [6, d] here. */
const sameAxes = (a: Shape, b: Shape): boolean =>
  a.filter((n) => n !== 1).join() === b.filter((n) => n !== 1).join();
