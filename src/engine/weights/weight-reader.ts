/**
 * Reads the weights of a checkpoint in the order in which they are written, as one stream: what comes next is asked for while
 * the last pieces of a weight are on their way. Each request waits for its answer, and weights are many.
 */
import { EngineError } from '../gpu/errors.ts';
import { rowsOf, sizeOf } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import type { RowLayout } from './decoder.ts';
import { unitOf } from './dtype.ts';
import { isDecoded, rowsOfSlab, slabsOf, storedSlabs } from './slabs.ts';
import type { Slab } from './slabs.ts';
import type { WeightSource } from './weight-source.ts';

/** What a weight is read as: bytes as kernels read them, or slabs that need to be decoded. */
export type Reading =
  { readonly ready: AsyncIterable<Uint8Array> } | { readonly slabs: AsyncIterable<Slab> };

/** Bytes of a file that are asked for at once, and on their way of one weight: its piece after next. */
const PIECE_BYTES = 8 * 2 ** 20;
const AHEAD_BYTES = 2 * PIECE_BYTES;
/** Bytes that are on their way of all weights, and how many weights that may be. */
const BUDGET_BYTES = 3 * PIECE_BYTES;
const MOST_BEGUN = 12;

/** A weight whose reading has begun, and bytes of it that were not passed on yet. */
type Begun = { readonly reading: Reading; left: number };

/** Reads from one source. */
export class WeightReader {
  readonly #source: WeightSource;
  #expected: readonly Tensor[] = [];
  /** The first that is expected and not begun. */
  #next = 0;
  /** Begun and not asked for yet; begun and not at their end. */
  readonly #waiting = new Map<Tensor, Begun>();
  readonly #open = new Set<Begun>();

  constructor(source: WeightSource) {
    this.#source = source;
  }

  /** Tells the weights that will be read next, in order. */
  expect(parts: readonly Tensor[]): void {
    this.#expected = parts;
    this.#next = 0;
    this.#waiting.clear();
    this.#open.clear();
  }

  /** Returns what is read of a weight; good for one use. */
  read(part: Tensor): Reading {
    const { reading } = this.#waiting.get(part) ?? this.#begin(part);
    this.#waiting.delete(part);
    this.#next = Math.max(this.#next, this.#expected.indexOf(part) + 1);
    this.#fill();
    return reading;
  }

  /** Begins what is expected as far as the budget goes; what is computed is computed when it is due. */
  #fill(): void {
    let onTheirWay = 0;
    for (const { left } of this.#open) onTheirWay += Math.min(left, AHEAD_BYTES);
    for (; this.#next < this.#expected.length; this.#next++) {
      const part = this.#expected[this.#next];
      const bytes = part && storedBytes(part, this.#source);
      if (!part || bytes === undefined || this.#open.size > MOST_BEGUN) return;
      onTheirWay += Math.min(bytes, AHEAD_BYTES);
      if (onTheirWay > BUDGET_BYTES) return;
      this.#waiting.set(part, this.#begin(part));
    }
  }

  #begin(part: Tensor): Begun {
    const pass = (bytes: number): void => {
      begun.left -= bytes;
      this.#fill();
    };
    const end = (): void => void this.#open.delete(begun);
    const reading = readingOf(part, this.#source);
    const begun: Begun = {
      reading:
        'ready' in reading
          ? { ready: primed(reading.ready, (bytes) => pass(bytes.byteLength), end) }
          : { slabs: primed(reading.slabs, ({ bytes }) => pass(bytes.byteLength), end) },
      left: storedBytes(part, this.#source) ?? 0,
    };
    this.#open.add(begun);
    return begun;
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
    const { values, bytes } = unitOf(stored.dtype);
    const fitting = Math.max(1, Math.floor(PIECE_BYTES / ((width / values) * bytes)));
    const rows = { width, most: Math.min(most, fitting), count };
    return { slabs: storedSlabs(stored, stored.dtype, rows) };
  }
  return { slabs: slabsOf(from.pieces?.(key, PIECE_BYTES) ?? whole(from, key), width, most) };
}

/** Bytes of a weight in its file; undefined where its values are computed. */
function storedBytes(part: Tensor, from: WeightSource): number | undefined {
  const stored = from.raw?.(weightSourceOf(part).key);
  if (!stored) return undefined;
  const { values, bytes } = unitOf(stored.dtype);
  return (sizeOf(part.shape) / values) * bytes;
}

async function* whole(from: WeightSource, key: string): AsyncGenerator<Float32Array> {
  yield await from.read(key);
}

/** The same, with its first piece on its way; `pass` is told of each piece, `end` when there are no more. */
function primed<T>(
  all: AsyncIterable<T>,
  pass: (piece: T) => void,
  end: () => void,
): AsyncIterable<T> {
  const iterator = all[Symbol.asyncIterator]();
  const first = iterator.next();
  first.catch(() => undefined); // told when it is awaited
  return (async function* () {
    try {
      for (let next = await first; !next.done; next = await iterator.next()) {
        pass(next.value);
        yield next.value;
      }
    } finally {
      end();
      await iterator.return?.();
    }
  })();
}
