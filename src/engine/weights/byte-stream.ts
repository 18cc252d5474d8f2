/**
 * Ranges of files read as one stream, in the order in which they are needed: those that come next are on their way while one
 * is worked on, and neighbours in a file come together. Each request waits for its answer, and weights are many and small.
 * Memory is used again and again: new memory for gigabytes costs as much as reading them, and waits to be collected.
 */
import { EngineError } from '../gpu/errors.ts';

/** Where bytes are read from; a `ByteSource` is one. */
export type Readable<B extends ArrayBufferLike = ArrayBufferLike> = {
  read(start: number, end: number, memory?: ArrayBuffer): Promise<Uint8Array<B>>;
};

/** The bytes [start, end) of a source. */
export type ByteRange<B extends ArrayBufferLike = ArrayBufferLike> = {
  readonly source: Readable<B>;
  readonly start: number;
  readonly end: number;
};

/** Most bytes that one request asks for, unless a single range is larger. */
export const REQUEST_BYTES = 8 * 2 ** 20;
/** Bytes that are asked for and not passed on yet; one request may always be. */
const AHEAD_BYTES = 3 * REQUEST_BYTES;
/** Bytes between two ranges that are read along with them: weights as they are kept begin at multiples of this. */
const GAP_BYTES = 256;

/** A request on its way: ranges `first` to `last` lie in it. */
type Request<B extends ArrayBufferLike> = {
  readonly start: number;
  readonly last: number;
  /** Bytes that were asked for. */
  readonly size: number;
  readonly bytes: Promise<Uint8Array<B>>;
  /** Where the bytes may be put. */
  readonly memory: ArrayBuffer | undefined;
};

/** Reads ranges, one after the other. */
export class ByteStream<B extends ArrayBufferLike = ArrayBufferLike> {
  readonly #ranges: readonly ByteRange<B>[];
  readonly #requests: Request<B>[] = [];
  /** Memory of requests that are done with, and of the last one, which may still be looked at. */
  readonly #free: ArrayBuffer[] = [];
  #last: ArrayBuffer | undefined;
  /** Whether sources use the memory that they are given. */
  #lends = true;
  /** The first range that is not passed on, and the first that is not asked for. */
  #next = 0;
  #unasked = 0;
  #ahead = 0;

  constructor(ranges: readonly ByteRange<B>[]) {
    this.#ranges = ranges;
  }

  /** Resolves to the bytes of the next range, good until the one after it is asked for; rejects as its source does. */
  async next(): Promise<Uint8Array<B>> {
    if (this.#last) this.#free.push(this.#last);
    this.#last = undefined;
    this.#ask();
    const [range, request] = [this.#ranges[this.#next], this.#requests[0]];
    if (!range || !request) {
      const text = `a stream of ${this.#ranges.length} ranges is at its end`;
      throw new EngineError('engine/assert', text);
    }
    if (this.#next++ === request.last) {
      this.#requests.shift();
      this.#last = request.memory;
      this.#ahead -= request.size;
      this.#ask();
    }
    const bytes = await request.bytes;
    this.#lends &&= bytes.buffer === request.memory;
    return bytes.subarray(range.start - request.start, range.end - request.start);
  }

  #ask(): void {
    for (;;) {
      const first = this.#ranges[this.#unasked];
      if (!first) return;
      const last = this.#lastWith(this.#unasked);
      const { start, source } = first;
      const end = this.#ranges[last]?.end ?? first.end;
      const size = end - start;
      if (this.#requests.length > 0 && this.#ahead + size > AHEAD_BYTES) return;
      const memory = this.#lends ? this.#memoryFor(size) : undefined;
      const bytes = source.read(start, end, memory);
      bytes.catch(() => undefined); // told when it is awaited; a consumer that leaves early never does
      this.#requests.push({ start, last, size, bytes, memory });
      this.#unasked = last + 1;
      this.#ahead += size;
    }
  }

  #memoryFor(size: number): ArrayBuffer {
    const fitting = this.#free.findIndex(({ byteLength }) => byteLength >= size);
    return this.#free.splice(fitting, fitting < 0 ? 0 : 1)[0] ?? new ArrayBuffer(size);
  }

  /** The last range that is asked for together with range `first`. */
  #lastWith(first: number): number {
    const begin = this.#ranges[first];
    let last = first;
    for (let end = begin?.end ?? 0; begin; last++) {
      const next = this.#ranges[last + 1];
      if (next?.source !== begin.source) break;
      const gap = next.start - end;
      if (gap < 0 || gap > GAP_BYTES || next.end - begin.start > REQUEST_BYTES) break;
      end = next.end;
    }
    return last;
  }
}

/** Returns [start, end) of `source` in ranges of `step` bytes, the last one shorter. */
export function rangesOf<B extends ArrayBufferLike>(
  source: Readable<B>,
  start: number,
  end: number,
  step = REQUEST_BYTES,
): readonly ByteRange<B>[] {
  return Array.from({ length: Math.ceil((end - start) / step) }, (_, i) => ({
    source,
    start: start + i * step,
    end: Math.min(end, start + (i + 1) * step),
  }));
}

/** Yields the bytes [start, end) in pieces of `step`, the last one shorter; see `ByteStream`. */
export async function* readAhead<B extends ArrayBufferLike>(
  source: Readable<B>,
  start: number,
  end: number,
  step = REQUEST_BYTES,
): AsyncGenerator<Uint8Array<B>, void, undefined> {
  const ranges = rangesOf(source, start, end, step);
  const stream = new ByteStream(ranges);
  for (const _ of ranges) yield await stream.next();
}
