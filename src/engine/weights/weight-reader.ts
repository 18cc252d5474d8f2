/**
 * Reads the weights of a checkpoint in the order in which they are written. Small ones are asked for before it is their turn:
 * each takes a request of its own, and most of that is waiting.
 */
import { EngineError } from '../gpu/errors.ts';
import { rowsOf, sizeOf } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import type { RowLayout } from './decoder.ts';
import { isDecoded, rowsOfSlab, slabsOf, storedSlabs } from './slabs.ts';
import type { Slab } from './slabs.ts';
import type { WeightSource } from './weight-source.ts';

/** What a weight is read as: bytes as kernels read them, or slabs that need to be decoded. */
export type Reading =
  { readonly ready: AsyncIterable<Uint8Array> } | { readonly slabs: AsyncIterable<Slab> };

/** Bytes of a file that are asked for at once. */
const PIECE_BYTES = 8 * 2 ** 20;
/** Weights whose reading has begun beside the one that is written, and values of all of them. */
const MOST_BEGUN = 12;
const BEGUN_VALUES = 2 ** 20;

/** Reads from one source. */
export class WeightReader {
  readonly #source: WeightSource;
  #expected: readonly Tensor[] = [];
  readonly #begun = new Map<Tensor, Reading>();

  constructor(source: WeightSource) {
    this.#source = source;
  }

  /** Tells the weights that will be read next, in order. */
  expect(parts: readonly Tensor[]): void {
    this.#expected = parts;
    this.#begun.clear();
  }

  /** Returns what is read of a weight; good for one use. */
  read(part: Tensor): Reading {
    const reading = this.#begun.get(part) ?? begun(readingOf(part, this.#source));
    this.#begun.delete(part);
    const at = this.#expected.indexOf(part);
    if (at >= 0) this.#begin(this.#expected.slice(at + 1, at + 1 + MOST_BEGUN));
    return reading;
  }

  #begin(next: readonly Tensor[]): void {
    let values = 0;
    for (const part of next) {
      values += sizeOf(part.shape);
      if (values > BEGUN_VALUES) return; // large ones wait but once
      if (this.#begun.has(part)) continue;
      const isFile = this.#source.raw?.(weightSourceOf(part).key) !== undefined;
      if (!isFile) return; // what is computed is computed when it is due
      this.#begun.set(part, begun(readingOf(part, this.#source)));
    }
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

/** Returns how the rows of a weight lie in its file: those of convolutions are stored [out, in, taps], and read as [out, taps, in]. */
export function layoutOf(tensor: Tensor): RowLayout {
  const { shape } = tensor;
  const isConv = weightSourceOf(tensor).packing === 'conv';
  return { C: shape.at(-1) ?? 1, taps: isConv ? (shape[1] ?? 1) : 1 };
}

function readingOf(tensor: Tensor, from: WeightSource): Reading {
  const { key } = weightSourceOf(tensor);
  const { dtype, shape } = tensor;
  const { C, taps } = layoutOf(tensor);
  const stored = from.raw?.(key);
  const isFloat = dtype === 'f32' || dtype === 'f16';
  if (isFloat && stored?.dtype === dtype.toUpperCase() && C % 4 === 0 && taps === 1) {
    return { ready: stored.pieces(PIECE_BYTES) };
  }
  const width = C * taps;
  const most = rowsOfSlab(width, taps);
  if (stored && isDecoded(stored.dtype, width)) {
    const count = rowsOf(shape) / taps;
    return { slabs: storedSlabs(stored, stored.dtype, { width, most, count }) };
  }
  return { slabs: slabsOf(from.pieces?.(key, PIECE_BYTES) ?? whole(from, key), width, most) };
}

async function* whole(from: WeightSource, key: string): AsyncGenerator<Float32Array> {
  yield await from.read(key);
}

/** The same, with its first piece on its way. */
const begun = (reading: Reading): Reading =>
  'ready' in reading ? { ready: primed(reading.ready) } : { slabs: primed(reading.slabs) };

function primed<T>(all: AsyncIterable<T>): AsyncIterable<T> {
  const iterator = all[Symbol.asyncIterator]();
  const first = iterator.next();
  first.catch(() => undefined); // told when it is awaited
  return (async function* () {
    try {
      for (let next = await first; !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  })();
}
