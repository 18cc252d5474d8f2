/** Random access to the bytes of a file: in memory, in a Blob; remote-file.ts adds web servers, node-source.ts disks. */
import { EngineError } from '../gpu/errors.ts';

/**
 * A file of known length. `read` returns exactly the bytes [start, end) or throws an `EngineError`; it may put them into
 * `memory`, where that is given and large enough.
 */
export type ByteSource = {
  readonly size: number;
  read(start: number, end: number, memory?: ArrayBuffer): Promise<Uint8Array>;
};

/** Returns room for `size` bytes: in `memory`, where that is given and large enough. */
export const roomFor = (size: number, memory?: ArrayBuffer): Uint8Array<ArrayBuffer> =>
  memory && memory.byteLength >= size ? new Uint8Array(memory, 0, size) : new Uint8Array(size);

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
