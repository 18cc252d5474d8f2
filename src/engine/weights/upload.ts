/** The weights of one model on the device: read from a store by key, packed for the kernels, in few large buffers. */
import { EngineError } from '../gpu/errors.ts';
import { isIntegerType } from '../gpu/integers.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf, packTensor, readBytes, sizeOf } from '../gpu/tensor.ts';
import type { Gpu } from '../gpu/device.ts';
import { checkpointWeights } from '../graph/graph.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import { readAhead } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { bfloatsToHalves } from './convert.ts';
import type { StoredDtype } from './dtype.ts';
import type { Packs } from './packs.ts';
import { packName } from './packs.ts';
import { Quantiser } from './quantiser.ts';
import type { Pieces } from './slabs.ts';
import { slabsOf } from './slabs.ts';
import type { Place } from './weight-memory.ts';
import { WeightMemory } from './weight-memory.ts';

/** Where weight values come from; see weight-store.ts. */
export type WeightSource = {
  info(name: string): { readonly shape: Shape };
  /** Resolves to the values, row-major, as f32. */
  read(name: string): Promise<Float32Array>;
  /** Yields the same piece by piece, where that is possible; large weights are then never whole in memory. */
  pieces?(name: string, chunkBytes?: number): Pieces;
  /** Returns the bytes as they are stored, where values need nothing else. */
  raw?(
    name: string,
    chunkBytes?: number,
  ): { readonly dtype: StoredDtype; readonly pieces: AsyncIterable<Uint8Array> } | undefined;
  /** Where quantised weights are kept from run to run. */
  readonly packs?: Packs | undefined;
  /**
   * Makes the values of weights on the device itself, where `get` says that they lie; nothing is read then, and no shape
   * compared.
   */
  fill?(weights: ReadonlyMap<string, Tensor>, get: (key: string) => DeviceTensor): Promise<void>;
};

const noValues = (): never => {
  throw new EngineError('engine/assert', 'weights — got shapes alone, needs values');
};

/** Weights without values: space is taken for them as for real ones, for forecasts of memory. */
export const SHAPES_ALONE: WeightSource = {
  info: noValues,
  read: noValues,
  fill: () => Promise.resolve(),
};

/** Bytes of a file that are asked for at once. */
const PIECE_BYTES = 4 * 2 ** 20;
/** Bytes of a kept pack that are copied at once. */
const PACK_BYTES = 16 * 2 ** 20;
/** Bytes that may wait in the device's queue before more are read. */
const QUEUED_BYTES = 64 * 2 ** 20;

/** Weights shared by all graphs of a model at one precision. */
export class WeightSet {
  readonly #gpu: Gpu;
  readonly #source: WeightSource;
  readonly #loaded = new Map<string, DeviceTensor>();
  readonly #memory: WeightMemory;
  #quantiser: Quantiser | undefined;
  #queued = 0;

  constructor(gpu: Gpu, source: WeightSource) {
    this.#gpu = gpu;
    this.#source = source;
    this.#memory = new WeightMemory(gpu);
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
  async load(graph: Graph, onProgress?: (done: number) => void): Promise<void> {
    const wanted = [...graph.weights].filter(([key, tensor]) => !this.#has(key, tensor.dtype));
    const total = wanted.reduce((sum, [, tensor]) => sum + sizeOf(tensor.shape), 0);
    const source = this.#source;
    if (!source.fill) {
      for (const [, tensor] of wanted)
        for (const part of partsOf(tensor)) checkShape(part, source);
    }
    this.#memory.announce(wanted.flatMap(([, tensor]) => sizesOf(tensor)));
    const packs = wanted.some(([, tensor]) => tensor.graph.scales(tensor)) && this.#source.packs;
    const name = packs ? await packName(wanted.map(([, tensor]) => tensor)) : '';
    const told = (error: unknown): undefined => void (packs && packs.onError(error));
    const pack = packs ? await packs.open(name).catch(told) : undefined;
    const before = this.#memory.count;
    let done = 0;
    for (const [key, tensor] of wanted) {
      await this.#upload(key, tensor, pack === undefined && !source.fill);
      done += sizeOf(tensor.shape);
      if (!pack) onProgress?.(done / total);
    }
    this.#quantiser?.release();
    await source.fill?.(new Map(wanted), (key) => this.get(key));
    const buffers = this.#memory.after(before);
    if (pack) await this.#unpack(pack, buffers, onProgress);
    else if (packs) await this.#keep(packs, name, buffers).catch(told);
  }

  /** Copies a kept pack into the buffers that were made for it. */
  async #unpack(
    pack: ByteSource,
    buffers: readonly GPUBuffer[],
    onProgress: ((done: number) => void) | undefined,
  ): Promise<void> {
    let at = 0;
    for (const buffer of buffers) {
      let offset = 0;
      for await (const bytes of readAhead(pack, at, at + buffer.size, PACK_BYTES)) {
        this.#gpu.device.queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>);
        offset += bytes.byteLength;
        await this.#pace(bytes.byteLength);
        onProgress?.((at + offset) / pack.size);
      }
      at += buffer.size;
    }
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
    this.#quantiser?.release();
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

  async #upload(key: string, tensor: Tensor, fill: boolean): Promise<void> {
    const { shape, dtype } = tensor;
    const scales = tensor.graph.scales(tensor);
    const place = await this.#memory.take(bytesOf(shape, dtype));
    const beside = scales && (await this.#memory.take(bytesOf(scales.shape, scales.dtype)));
    if (fill) await this.#fill(tensor, this.#source, place, beside);
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
    for (const part of partsOf(tensor)) {
      const { shape, dtype, graph } = part;
      const width = shape.at(-1) ?? 1;
      const beside = scales && { buffer: scales.buffer, offset: scalesAt };
      const ready = readyBytes(part, from);
      if (ready) await this.#copy(ready, { buffer, offset: at });
      else {
        for await (const { first, rows, values } of slabsOf(piecesOf(part, from), width)) {
          const place = { buffer, offset: at + bytesOf([first, width], dtype) };
          await this.#write(values, [rows, width], dtype, place, beside, first);
        }
      }
      if (scales) scalesAt += bytesOf(graph.scales(part)?.shape ?? [0], 'f16');
      at += bytesOf(shape, dtype);
    }
  }

  /** Writes rows of a matrix to their place; what was queued before goes first when that has become much. */
  async #write(
    values: Float32Array,
    shape: readonly [rows: number, width: number],
    dtype: Dtype,
    place: Place,
    scales: Place | undefined,
    first: number,
  ): Promise<void> {
    const { queue } = this.#gpu.device;
    if (scales && isIntegerType(dtype)) {
      this.#quantiser ??= new Quantiser(this.#gpu.device);
      await this.#quantiser.write(values, shape, dtype, { q: place, scales, first });
    } else {
      queue.writeBuffer(place.buffer, place.offset, packTensor(values, shape, dtype));
    }
    await this.#pace(values.byteLength);
  }

  /** Copies bytes that are as kernels read them. */
  async #copy(pieces: AsyncIterable<Uint8Array>, { buffer, offset }: Place): Promise<void> {
    let at = offset;
    for await (const bytes of pieces) {
      this.#gpu.device.queue.writeBuffer(buffer, at, bytes as Uint8Array<ArrayBuffer>);
      at += bytes.byteLength;
      await this.#pace(bytes.byteLength);
    }
  }

  /** Waits for the device when much has been queued. */
  async #pace(bytes: number): Promise<void> {
    const { queue } = this.#gpu.device;
    this.#queued += bytes;
    if (this.#queued < QUEUED_BYTES) return;
    queue.submit([]);
    await queue.onSubmittedWorkDone();
    this.#queued = 0;
  }
}

/** Throws `weights/shape` for the first weight of `graph` whose shape differs in the checkpoint, `weights/missing` for one that is not there. */
export function checkShapes(graph: Graph, from: WeightSource): void {
  for (const tensor of checkpointWeights(graph).values()) checkShape(tensor, from);
}

/** Yields the bytes of buffers, one after the other, in pieces that fit into memory. */
async function* readBuffers(
  device: GPUDevice,
  buffers: readonly GPUBuffer[],
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const buffer of buffers) {
    for (let offset = 0; offset < buffer.size; offset += PACK_BYTES) {
      const bytes = Math.min(buffer.size - offset, PACK_BYTES);
      const part = {
        label: buffer.label,
        shape: [bytes / 4],
        dtype: 'u32',
        buffer,
        offset,
      } as const;
      yield new Uint8Array(await readBytes(device, part));
    }
  }
}

/** The weights that a tensor is made of. */
const partsOf = (tensor: Tensor): readonly Tensor[] =>
  tensor.source.kind === 'stack' ? tensor.source.parts : [tensor];

/** Bytes of the places that a weight takes: its own, and that of its scales. */
function sizesOf(tensor: Tensor): readonly number[] {
  const scales = tensor.graph.scales(tensor);
  const own = bytesOf(tensor.shape, tensor.dtype);
  return scales ? [own, bytesOf(scales.shape, scales.dtype)] : [own];
}

type WeightTensorSource = Extract<Tensor['source'], { readonly kind: 'weight' }>;

function sourceOf({ source, label }: Tensor): WeightTensorSource {
  if (source.kind === 'weight') return source;
  throw new EngineError('weights/missing', `${label} — got a ${source.kind}, needs a weight`);
}

function checkShape(tensor: Tensor, from: WeightSource): void {
  const { key, stored } = sourceOf(tensor);
  const { shape: found } = from.info(key);
  if (sameAxes(found, stored)) return;
  throw new EngineError(
    'weights/shape',
    `weight ${key} — got [${found.join(', ')}], needs [${stored.join(', ')}]`,
  );
}

/** The bytes of a weight whose file stores it almost as kernels read it; undefined for all others. */
function readyBytes(tensor: Tensor, from: WeightSource): AsyncIterable<Uint8Array> | undefined {
  const { dtype, shape } = tensor;
  const { key } = sourceOf(tensor);
  const padded = (shape.at(-1) ?? 1) % 4 !== 0;
  if (padded || !isInOrder(tensor) || (dtype !== 'f32' && dtype !== 'f16')) return undefined;
  const stored = from.raw?.(key, PIECE_BYTES);
  if (stored?.dtype === dtype.toUpperCase()) return stored.pieces;
  return stored?.dtype === 'BF16' && dtype === 'f16' ? halvesOf(stored.pieces) : undefined;
}

async function* halvesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const bytes of pieces) {
    const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
    const words = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
    yield new Uint8Array(bfloatsToHalves(words).buffer);
  }
}

/** Whether values lie in the file in the order in which kernels read them. */
const isInOrder = (tensor: Tensor): boolean =>
  sourceOf(tensor).packing !== 'conv' || tensor.shape[1] === 1;

/** Yields the values of one weight in the order in which kernels read them. */
async function* piecesOf(tensor: Tensor, from: WeightSource): AsyncGenerator<Float32Array> {
  const { key } = sourceOf(tensor);
  const inOrder = isInOrder(tensor);
  if (inOrder && from.pieces) yield* from.pieces(key, PIECE_BYTES);
  else {
    const values = await from.read(key);
    yield inOrder ? values : tapsBeforeChannels(values, tensor.shape);
  }
}

/** Equal shapes, axes of length one left out: [1, 6, d] in a checkpoint may be [6, d] here. */
const sameAxes = (a: Shape, b: Shape): boolean =>
  a.filter((n) => n !== 1).join() === b.filter((n) => n !== 1).join();

/** [out, in, taps] -> [out, taps, in], the order in which the convolution kernels read. */
function tapsBeforeChannels(
  values: Float32Array,
  [outs = 1, taps = 1, ins = 1]: Shape,
): Float32Array {
  const ordered = new Float32Array(values.length);
  for (let o = 0; o < outs; o++) {
    for (let i = 0; i < ins; i++) {
      for (let t = 0; t < taps; t++)
        ordered[(o * taps + t) * ins + i] = values[(o * ins + i) * taps + t] ?? 0;
    }
  }
  return ordered;
}
