/**
 * Puts weights of a checkpoint where they belong on the device, some rows at a time: as kernels read them, quantised on the
 * way where that is asked for. Work goes through the device's queue, in order with what is replayed.
 */
import type { Gpu } from '../gpu/device.ts';
import { EngineError } from '../gpu/errors.ts';
import { isIntegerType } from '../gpu/integers.ts';
import type { Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf, packTensor } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import { bfloatsToHalves } from './convert.ts';
import { Quantiser } from './quantiser.ts';
import { slabsOf } from './slabs.ts';
import type { WeightSource } from './weight-source.ts';
import type { Place } from './weight-memory.ts';

/** Bytes of a file that are asked for at once. */
const PIECE_BYTES = 4 * 2 ** 20;
/** Bytes that may wait in the device's queue before more are read. */
const QUEUED_BYTES = 64 * 2 ** 20;

/** Writes the weights of one source. */
export class WeightWriter {
  readonly #gpu: Gpu;
  readonly #source: WeightSource;
  #quantiser: Quantiser | undefined;
  #queued = 0;

  constructor(gpu: Gpu, source: WeightSource) {
    this.#gpu = gpu;
    this.#source = source;
  }

  /** Writes a weight, or the weights of a stack behind one another, as kernels read them; scales to a place of their own. */
  async write(tensor: Tensor, { buffer, offset }: Place, scales: Place | undefined): Promise<void> {
    const from = this.#source;
    let [at, scalesAt] = [offset, scales?.offset ?? 0];
    for (const part of weightParts(tensor)) {
      const { shape, dtype, graph } = part;
      const width = shape.at(-1) ?? 1;
      const beside = scales && { buffer: scales.buffer, offset: scalesAt };
      const ready = readyBytes(part, from);
      if (ready) await this.#copyAll(ready, { buffer, offset: at });
      else {
        for await (const { first, rows, values } of slabsOf(piecesOf(part, from), width)) {
          const place = { buffer, offset: at + bytesOf([first, width], dtype) };
          await this.#writeRows(values, [rows, width], dtype, place, beside, first);
        }
      }
      if (scales) scalesAt += bytesOf(graph.scales(part)?.shape ?? [0], 'f16');
      at += bytesOf(shape, dtype);
    }
  }

  /** Writes rows of a matrix to their place; what was queued before goes first when that has become much. */
  async #writeRows(
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

  /** Resolves when bytes that are as kernels read them are queued. */
  async copy(bytes: Uint8Array, { buffer, offset }: Place): Promise<void> {
    this.#gpu.device.queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>);
    await this.#pace(bytes.byteLength);
  }

  /** Frees what is held between two weights. */
  release(): void {
    this.#quantiser?.release();
    this.#quantiser = undefined;
  }

  async #copyAll(pieces: AsyncIterable<Uint8Array>, { buffer, offset }: Place): Promise<void> {
    let at = offset;
    for await (const bytes of pieces) {
      await this.copy(bytes, { buffer, offset: at });
      at += bytes.byteLength;
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

/** The weights that a tensor is made of. */
export const weightParts = (tensor: Tensor): readonly Tensor[] =>
  tensor.source.kind === 'stack' ? tensor.source.parts : [tensor];

type WeightTensorSource = Extract<Tensor['source'], { readonly kind: 'weight' }>;

/** Returns where a weight comes from. Throws `weights/missing` for another tensor. */
export function weightSourceOf({ source, label }: Tensor): WeightTensorSource {
  if (source.kind === 'weight') return source;
  throw new EngineError('weights/missing', `${label} — got a ${source.kind}, needs a weight`);
}

/** The bytes of a weight whose file stores it almost as kernels read it; undefined for all others. */
function readyBytes(tensor: Tensor, from: WeightSource): AsyncIterable<Uint8Array> | undefined {
  const { dtype, shape } = tensor;
  const { key } = weightSourceOf(tensor);
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
  weightSourceOf(tensor).packing !== 'conv' || tensor.shape[1] === 1;

/** Yields the values of one weight in the order in which kernels read them. */
async function* piecesOf(tensor: Tensor, from: WeightSource): AsyncGenerator<Float32Array> {
  const { key } = weightSourceOf(tensor);
  const inOrder = isInOrder(tensor);
  if (inOrder && from.pieces) yield* from.pieces(key, PIECE_BYTES);
  else {
    const values = await from.read(key);
    yield inOrder ? values : tapsBeforeChannels(values, tensor.shape);
  }
}

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
