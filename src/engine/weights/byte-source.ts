/** Random access to the bytes of a file: in memory, in a Blob; remote-file.ts adds web servers, node-source.ts disks. */
import { EngineError } from '../gpu/errors.ts';

/** A file of known length. `read` returns exactly the bytes [start, end) or throws an `EngineError`. */
export type ByteSource = {
  readonly size: number;
  read(start: number, end: number): Promise<Uint8Array>;
};

/** Throws `weights/read` unless [start, end) lies within `size` bytes. */
export function checkRange(start: number, end: number, size: number): void {
  if (!(start >= 0 && start <= end && end <= size)) {
    throw new EngineError(
      'weights/read',
      `bytes ${start} to ${end} — got a file of ${size} bytes, needs the range inside it — check the file`,
      { have: size, need: end },
    );
  }
}

/** Returns a source over bytes in memory; reads are views, not copies. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    async read(start, end) {
      checkRange(start, end, bytes.byteLength);
      return bytes.subarray(start, end);
    },
  };
}

/** Returns a source over a Blob or File, read piece by piece. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    async read(start, end) {
      checkRange(start, end, blob.size);
      return new Uint8Array(await blob.slice(start, end).arrayBuffer());
    },
  };
}

/** Bytes that are asked for before they are needed. */
const AHEAD_BYTES = 8 * 2 ** 20;

/**
 * Yields the bytes [start, end) in pieces of `step`, the last one shorter. The next pieces, one at least, are on their way
 * while one is worked on: reading and converting take no longer than the slower of the two, and a place that answers each
 * request late is asked several times at once.
 */
export async function* readAhead<Bytes extends Uint8Array>(
  source: { read(start: number, end: number): Promise<Bytes> },
  start: number,
  end: number,
  step: number,
): AsyncGenerator<Bytes, void, undefined> {
  const most = 1 + Math.max(1, Math.floor(AHEAD_BYTES / step));
  const asked: Promise<Bytes>[] = [];
  let at = start;
  const ask = (): void => {
    for (; at < end && asked.length < most; at += step) {
      const piece = source.read(at, Math.min(at + step, end));
      piece.catch(() => undefined); // told when it is awaited; a consumer that leaves early never does
      asked.push(piece);
    }
  };
  ask();
  for (let next = asked.shift(); next; next = asked.shift()) {
    ask();
    const piece = await next;
    yield piece;
  }
}
