/** Random access to the bytes of a file, wherever it lies: in memory, in a Blob, on a web server. */
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

export type UrlSourceOptions = {
  readonly fetch?: typeof globalThis.fetch;
  readonly signal?: AbortSignal;
};

/** Bytes asked for at first: holds the header of most files, so that opening one costs one request. */
const FIRST_BYTES = 1 << 16;

/**
 * Returns a source over a file on a web server, read by Range requests. A server that knows none and answers
 * with the whole file gets it kept in memory. Throws `weights/http` for any other answer, `weights/changed` when
 * the file's length changes between two requests.
 */
export async function urlSource(
  url: string | URL,
  { fetch = globalThis.fetch, signal }: UrlSourceOptions = {},
): Promise<ByteSource> {
  const request = (start: number, end: number): Promise<Response> =>
    fetch(url, {
      headers: { Range: `bytes=${start}-${end - 1}` },
      ...(signal && { signal }),
    });

  const opening = await request(0, FIRST_BYTES);
  if (opening.status === 200) return bytesSource(new Uint8Array(await opening.arrayBuffer()));
  if (opening.status === 416 && totalOf(opening) === 0) return bytesSource(new Uint8Array(0));
  const size = checkPartial(opening, url);
  const first = new Uint8Array(await opening.arrayBuffer());
  checkLength(first, Math.min(FIRST_BYTES, size), url);

  return {
    size,
    async read(start, end) {
      checkRange(start, end, size);
      if (end <= first.byteLength) return first.subarray(start, end);
      const response = await request(start, end);
      const total = checkPartial(response, url);
      if (total !== size) {
        throw new EngineError(
          'weights/changed',
          `${url} — got a length of ${total} bytes, needs ${size} as at the start — load it again`,
          { have: total, need: size },
        );
      }
      const bytes = new Uint8Array(await response.arrayBuffer());
      checkLength(bytes, end - start, url);
      return bytes;
    },
  };
}

/** The file's length from `Content-Range: bytes a-b/LENGTH`, NaN when it is not told. */
const totalOf = (response: Response): number =>
  Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? NaN);

function checkPartial(response: Response, url: string | URL): number {
  const total = totalOf(response);
  if (response.status !== 206 || !Number.isSafeInteger(total)) {
    throw new EngineError(
      'weights/http',
      `${url} — got status ${response.status}, needs 206 with a Content-Range — check the address`,
      { have: response.status, need: 206 },
    );
  }
  return total;
}

function checkLength(bytes: Uint8Array, need: number, url: string | URL): void {
  if (bytes.byteLength !== need) {
    throw new EngineError(
      'weights/read',
      `${url} — got ${bytes.byteLength} bytes, needs ${need} — the connection broke off, try again`,
      { have: bytes.byteLength, need },
    );
  }
}
