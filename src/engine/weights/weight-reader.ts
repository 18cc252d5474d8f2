/** Reads the weights of a checkpoint: those that are expected as one stream, so that none waits for an answer of its own. */
import { EngineError } from '../gpu/errors.ts';
import { rowsOf } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import { ByteStream, rangesOf, REQUEST_BYTES } from './byte-stream.ts';
import type { ByteRange, Readable } from './byte-stream.ts';
import type { RowLayout } from './decoder.ts';
import { unitOf } from './dtype.ts';
import { isDecoded, rowsOfSlab, slabsOf, storedSlabs } from './slabs.ts';
import type { Slab } from './slabs.ts';
import type { WeightSource } from './weight-source.ts';

/** What a weight is read as: bytes as kernels read them, or slabs that need to be decoded. */
export type Reading =
  { readonly ready: AsyncIterable<Uint8Array> } | { readonly slabs: AsyncIterable<Slab> };

/** How a weight is read: the ranges that it needs, and what becomes of their bytes, which come in that order. */
type Plan = {
  readonly part: Tensor;
  readonly ranges: readonly ByteRange[];
  readonly reading: (stream: ByteStream) => Reading;
};

/** Reads from one source. */
export class WeightReader {
  readonly #source: WeightSource;
  #expected: readonly Plan[] = [];
  #next = 0;
  #stream = new ByteStream([]);

  constructor(source: WeightSource) {
    this.#source = source;
  }

  /** Tells the weights that will be read next, in order, each to its end. Nothing is asked for before the first one is read. */
  expect(parts: readonly Tensor[]): void {
    this.#expected = parts.flatMap((part) => planOf(part, this.#source) ?? []);
    this.#next = 0;
    this.#stream = new ByteStream(this.#expected.flatMap(({ ranges }) => ranges));
  }

  /** Returns what is read of a weight; good for one use. */
  read(part: Tensor): Reading {
    const expected = this.#expected[this.#next];
    if (expected?.part === part) {
      this.#next++;
      return expected.reading(this.#stream);
    }
    const plan = planOf(part, this.#source);
    return plan ? plan.reading(new ByteStream(plan.ranges)) : computed(part, this.#source);
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

/** Returns `items` as their weights lie in their files, so that these are read from end to end; what is computed comes last. */
export function inFileOrder<T extends { readonly part: Tensor }>(
  items: readonly T[],
  from: WeightSource,
): readonly T[] {
  const files = new Map<Readable, number>();
  const placed = items.map((item) => {
    const { source, start = 0 } = from.raw?.(weightSourceOf(item.part).key)?.bytes ?? {};
    if (source && !files.has(source)) files.set(source, files.size);
    return { item, start, file: source ? (files.get(source) ?? 0) : items.length };
  });
  placed.sort((a, b) => a.file - b.file || a.start - b.start);
  return placed.map(({ item }) => item);
}

/** How a weight is read from its file; undefined where its values are computed. */
function planOf(part: Tensor, from: WeightSource): Plan | undefined {
  const stored = from.raw?.(weightSourceOf(part).key);
  if (!stored) return undefined;
  const { dtype, shape } = part;
  const { C, taps } = layoutOf(part);
  const { source, start, end } = stored.bytes;
  if (isFloat(part) && stored.dtype === dtype.toUpperCase() && C % 4 === 0 && taps === 1) {
    const ranges = rangesOf(source, start, end);
    return { part, ranges, reading: (stream) => ({ ready: taken(stream, ranges.length) }) };
  }
  const width = C * taps;
  const type = stored.dtype;
  if (!isDecoded(type, width)) return undefined;
  const { values, bytes } = unitOf(type);
  const rowBytes = (width / values) * bytes;
  const fitting = Math.max(1, Math.floor(REQUEST_BYTES / rowBytes));
  const pieces = rangesOf(
    source,
    start,
    end,
    rowBytes * Math.min(rowsOfSlab(width, taps), fitting),
  );
  const { factors } = stored;
  const slabs = async function* (stream: ByteStream): AsyncGenerator<Slab> {
    const all = factors?.values(await stream.next());
    const count = rowsOf(shape) / taps;
    yield* storedSlabs(taken(stream, pieces.length), type, { rowBytes, count }, all);
  };
  const ranges = factors ? [factors.bytes, ...pieces] : pieces;
  return { part, ranges, reading: (stream) => ({ slabs: slabs(stream) }) };
}

/** Rows of a weight whose values are not stored one by one, or not as the device decodes them. */
function computed(part: Tensor, from: WeightSource): Reading {
  const { key } = weightSourceOf(part);
  const { C, taps } = layoutOf(part);
  const pieces = from.pieces?.(key, REQUEST_BYTES) ?? whole(from, key);
  return { slabs: slabsOf(pieces, C * taps, rowsOfSlab(C * taps, taps)) };
}

const isFloat = ({ dtype }: Tensor): boolean => dtype === 'f32' || dtype === 'f16';

async function* whole(from: WeightSource, key: string): AsyncGenerator<Float32Array> {
  yield await from.read(key);
}

/** The bytes of the next `count` ranges. */
async function* taken(stream: ByteStream, count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield await stream.next();
}
