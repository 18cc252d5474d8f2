/**
 * Puts weights of a checkpoint where they belong on the device, some rows at a time: as kernels read them, quantised on the
 * way where that is asked for. Work goes through the device's queue, in order with what is replayed.
 */
import type { Gpu } from '../gpu/device.ts';
import { isIntegerType } from '../gpu/integers.ts';
import type { Dtype } from '../gpu/tensor.ts';
import { bytesOf, rowsOf } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import type { ByteSource } from './byte-source.ts';
import { ByteStream, rangesOf } from './byte-stream.ts';
import type { ByteRange } from './byte-stream.ts';
import { Decoder } from './decoder.ts';
import type { RowLayout } from './decoder.ts';
import { Quantiser } from './quantiser.ts';
import { rowsOfSlab } from './slabs.ts';
import type { Slab } from './slabs.ts';
import type { WeightSource } from './weight-source.ts';
import type { Place } from './weight-memory.ts';
import { inFileOrder, layoutOf, WeightReader, weightParts } from './weight-reader.ts';

/** Bytes after which the device's queue is looked at, and looks that may be open: beside a network at work the queue is long. */
const LOOK_BYTES = 16 * 2 ** 20;
const MOST_LOOKS = 10;

/** A weight and where it belongs; its scales, where it is quantised, have a place of their own. */
export type Target = {
  readonly part: Tensor;
  readonly place: Place;
  readonly scales: Place | undefined;
};

/** Returns the weights that a tensor is made of, each with its place: those of a stack lie behind one another. */
export function targetsOf(tensor: Tensor, place: Place, scales?: Place): readonly Target[] {
  let [at, scalesAt] = [place.offset, scales?.offset ?? 0];
  return weightParts(tensor).map((part) => {
    const target = {
      part,
      place: { buffer: place.buffer, offset: at },
      scales: scales && { buffer: scales.buffer, offset: scalesAt },
    };
    at += bytesOf(part.shape, part.dtype);
    if (scales) scalesAt += bytesOf(part.graph.scales(part)?.shape ?? [0], 'f16');
    return target;
  });
}

/** A piece of a file and where on the device its bytes belong. */
export type Copy = { readonly range: ByteRange; readonly place: Place };

/** Returns what copies the bytes [start, end) of a file to a place. */
export const copiesOf = (
  file: ByteSource,
  start: number,
  end: number,
  { buffer, offset }: Place,
): readonly Copy[] =>
  rangesOf(file, start, end).map((range) => ({
    ...{ range, place: { buffer, offset: offset + range.start - start } },
  }));

/** Returns a stream of what is copied. */
export const streamOf = (copies: readonly Copy[]): ByteStream =>
  new ByteStream(copies.map(({ range }) => range));

/** Writes the weights of one source. */
export class WeightWriter {
  readonly #gpu: Gpu;
  readonly #source: WeightSource;
  readonly #reader: WeightReader;
  readonly #decoder: Decoder;
  readonly #quantiser: Quantiser;
  #queued = 0;
  /** Each resolves when the device has got as far as its queue was long then. */
  readonly #looks: Promise<undefined>[] = [];

  constructor(gpu: Gpu, source: WeightSource) {
    this.#gpu = gpu;
    this.#source = source;
    this.#reader = new WeightReader(source);
    this.#decoder = new Decoder(gpu.device);
    this.#quantiser = new Quantiser(gpu.device);
  }

  /** Writes weights as kernels read them, in the order in which they lie in their files. */
  async writeAll(targets: readonly Target[]): Promise<void> {
    const ordered = inFileOrder(targets, this.#source);
    this.expect(ordered);
    for (const target of ordered) await this.write(target);
  }

  /** Tells the weights that will be written next, in order. */
  expect(targets: readonly Target[]): void {
    this.#reader.expect(targets.map(({ part }) => part));
  }

  /** Writes one weight. */
  async write({ part, place, scales }: Target): Promise<void> {
    const reading = this.#reader.read(part);
    if ('ready' in reading) return this.#copyPieces(reading.ready, place);
    const layout = layoutOf(part);
    for await (const slab of reading.slabs) {
      await this.#writeSlab(slab, layout, part.dtype, place, scales);
    }
  }

  /** Takes the space that writing a weight takes beside its place. */
  reserve(tensor: Tensor): void {
    for (const part of weightParts(tensor)) {
      const layout = layoutOf(part);
      const { C, taps } = layout;
      const rows = Math.min(rowsOf(part.shape) / taps, rowsOfSlab(C * taps, taps));
      this.#decoder.reserve(rows, layout);
      if (isIntegerType(part.dtype)) this.#quantiser.reserve([rows * taps, C], part.dtype);
    }
  }

  /** Writes rows of a matrix that begins at `place`; what was queued before goes first when that has become much. */
  async #writeSlab(
    slab: Slab,
    layout: RowLayout,
    dtype: Dtype,
    { buffer, offset }: Place,
    scales: Place | undefined,
  ): Promise<void> {
    const { device } = this.#gpu;
    const [first, rows, C] = [slab.first * layout.taps, slab.rows * layout.taps, layout.C];
    const place = { buffer, offset: offset + bytesOf([first, C], dtype) };
    const encoder = device.createCommandEncoder({ label: 'weights' });
    if (scales && isIntegerType(dtype)) {
      const x = this.#quantiser.reserve([rows, C], dtype);
      const decode = await this.#decoder.prepare(slab, layout, 'f32', x);
      const to = { q: place, scales, first };
      const { quantise, copy } = await this.#quantiser.prepare([rows, C], dtype, to);
      const pass = encoder.beginComputePass();
      decode(pass);
      quantise(pass);
      pass.end();
      copy(encoder);
    } else {
      const type = dtype === 'f16' ? 'f16' : 'f32';
      const decode = await this.#decoder.prepare(slab, layout, type, place);
      const pass = encoder.beginComputePass();
      decode(pass);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
    await this.#pace(slab.bytes.byteLength);
  }

  /** Copies what lies in a file as kernels read it; `stream` has its ranges next. */
  async copyAll(copies: readonly Copy[], stream = streamOf(copies)): Promise<void> {
    for (const { place } of copies) await this.#copy(await stream.next(), place);
  }

  /** Frees what is held between two weights. */
  release(): void {
    this.#reader.expect([]);
    this.#decoder.release();
    this.#quantiser.release();
  }

  async #copyPieces(pieces: AsyncIterable<Uint8Array>, { buffer, offset }: Place): Promise<void> {
    let at = offset;
    for await (const bytes of pieces) {
      await this.#copy(bytes, { buffer, offset: at });
      at += bytes.byteLength;
    }
  }

  async #copy(bytes: Uint8Array, { buffer, offset }: Place): Promise<void> {
    this.#gpu.device.queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>);
    await this.#pace(bytes.byteLength);
  }

  /** Waits for the device when much has been queued, but not until it has nothing left to do. */
  async #pace(bytes: number): Promise<void> {
    const { queue } = this.#gpu.device;
    this.#queued += bytes;
    if (this.#queued < LOOK_BYTES) return;
    this.#queued = 0;
    queue.submit([]);
    const look = queue.onSubmittedWorkDone();
    look.catch(() => undefined); // told when it is awaited
    this.#looks.push(look);
    if (this.#looks.length > MOST_LOOKS) await this.#looks.shift();
  }
}
