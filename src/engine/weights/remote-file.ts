/**
 * A file on a web server, read as streams of bytes that survive cut and silent connections: each goes on at the byte
 * where the last one broke off. Servers that know no ranges are read from the start and skipped through.
 */
import { EngineError } from '../gpu/errors.ts';
import { bytesSource, checkRange, roomFor } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import type { Answer, HttpOptions } from './http.ts';
import { patience, request, Retryable, retrying, stall, STALL_MS } from './http.ts';

/**
 * A file of known length; `stream` yields exactly the bytes [start, end), in order, in pieces as they arrive, each good
 * until the next one is asked for.
 */
export type RemoteFile = {
  readonly url: string;
  readonly size: number;
  /** Whether the server answers requests for a part with that part. */
  readonly ranges: boolean;
  /** The server's own name for this content, where it tells one. */
  readonly etag: string | undefined;
  stream(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined>;
};

/** Bytes asked for at first: holds the header of most files, so that opening one costs one request. */
export const FIRST_BYTES = 1 << 16;
/** Bytes after which a connection counts as one that works, and earlier failures as forgotten. */
const PROGRESS_BYTES = 1 << 16;
/** Largest file that is kept in memory when its server knows no ranges. */
export const IN_MEMORY_BYTES = 64 * 2 ** 20;

type Opening = RemoteFile & { readonly first: Uint8Array };

/**
 * Returns a source over a file on a web server, read by Range requests. Where the server knows none, a file of up to
 * 64 MiB is kept in memory, a larger one refused (`weights/no-range`). Throws what `openRemote` throws.
 */
export async function urlSource(url: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  const { first, size, ranges, stream } = await open(String(url), options);
  if (first.byteLength === size) return bytesSource(first);
  if (!ranges) {
    if (size > IN_MEMORY_BYTES) {
      throw new EngineError(
        'weights/no-range',
        `${url} — got a server without Range requests and ${size} bytes, needs ≤ ${IN_MEMORY_BYTES} to be held in memory — store the file first`,
        { have: size, need: IN_MEMORY_BYTES },
      );
    }
    return bytesSource(await collect(stream(0, size), roomFor(size)));
  }
  return {
    size,
    async read(start, end, memory) {
      checkRange(start, end, size);
      if (end <= first.byteLength) return first.subarray(start, end);
      return collect(stream(start, end), roomFor(end - start, memory));
    },
  };
}

/**
 * Asks the server for a file. Failures that pass are waited for, as `HttpOptions` says. Throws `weights/not-found`,
 * `weights/forbidden`, `weights/redirect`, `weights/http`; after all attempts `weights/busy`, `weights/offline`,
 * `weights/stalled`, `weights/read` (cut off); `weights/length` for a length that is not told or is a lie; its streams
 * also `weights/changed` when another file stands there than at the start.
 */
export async function openRemote(url: string, options: HttpOptions = {}): Promise<RemoteFile> {
  return open(url, options);
}

/** Returns the whole of a small file. Throws `weights/length` beyond `limit` bytes, and what `openRemote` throws. */
export async function fetchBytes(
  url: string,
  options: HttpOptions = {},
  limit = IN_MEMORY_BYTES,
): Promise<Uint8Array> {
  return retrying(options, async () => {
    const answer = await request(url, {}, options);
    const told = wholeLength(answer.response);
    const bytes = await whole(answer, url, options, limit);
    if (told > bytes.byteLength) throw new Retryable(cut(url, bytes.byteLength, told));
    return bytes;
  });
}

/** Opens `url` with its first bytes, which are all of them when the server tells no length. */
async function open(url: string, options: HttpOptions): Promise<Opening> {
  return retrying(options, async () => {
    const answer = await request(url, { Range: `bytes=0-${FIRST_BYTES - 1}` }, options);
    try {
      const { response } = answer;
      const etag = response.headers.get('etag') ?? undefined;
      if (response.status === 206) {
        const { total: size } = partOf(response, url, 0);
        const first = await whole(answer, url, options, Math.min(FIRST_BYTES, size));
        if (first.byteLength < Math.min(FIRST_BYTES, size))
          throw new Retryable(cut(url, first.byteLength, size));
        const file = { url, size, ranges: true, etag };
        return { ...file, first, stream: streamer(file, options) };
      }
      const size = wholeLength(response);
      const file = { url, size, ranges: false, etag };
      const none = new Uint8Array(0);
      if (!Number.isNaN(size)) return { ...file, first: none, stream: streamer(file, options) };
      const first = await whole(answer, url, options, IN_MEMORY_BYTES);
      return { ...file, size: first.byteLength, first, stream: inMemory(first) };
    } finally {
      answer.close();
    }
  });
}

/** The body of an answer. Throws `weights/length` when it is longer than `limit`. */
async function whole(
  answer: Answer,
  url: string,
  options: HttpOptions,
  limit: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of piecesOf(answer, url, options)) {
    length += piece.byteLength;
    if (length > limit) throw tooLong(url, length, limit);
    parts.push(piece.slice());
  }
  const bytes = new Uint8Array(length);
  parts.reduce((at, part) => (bytes.set(part, at), at + part.byteLength), 0);
  return bytes;
}

const inMemory = (bytes: Uint8Array): RemoteFile['stream'] =>
  async function* (start, end) {
    checkRange(start, end, bytes.byteLength);
    yield bytes.subarray(start, end);
  };

type Known = Omit<RemoteFile, 'stream'>;

/** The `stream` of a file whose length is known. */
const streamer = (file: Known, options: HttpOptions): RemoteFile['stream'] =>
  async function* (start, end) {
    checkRange(start, end, file.size);
    const patient = patience(options);
    let at = start;
    let last = start;
    while (at < end) {
      try {
        for await (const piece of connection(file, at, end, options)) {
          at += piece.byteLength;
          if (at - last >= PROGRESS_BYTES) patient.restore();
          yield piece;
        }
      } catch (error) {
        await patient.after(error);
        last = at;
      }
    }
  };

/** Yields [start, end) as far as one connection brings it. Throws `Retryable` when it breaks off. */
async function* connection(
  file: Known,
  start: number,
  end: number,
  options: HttpOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { url, size, ranges } = file;
  const headers = ranges ? { Range: `bytes=${start}-${end - 1}` } : {};
  const answer = await request(url, headers, options);
  try {
    checkSame(file, answer.response);
    const { begin, total } = ranges
      ? partOf(answer.response, url, start)
      : { begin: 0, total: wholeLength(answer.response) };
    if (total !== size) throw changed(url, total, size);
    let at = begin;
    for await (const piece of piecesOf(answer, url, options)) {
      const from = Math.max(0, start - at);
      const to = Math.min(piece.byteLength, end - at);
      at += piece.byteLength;
      if (at > (ranges ? end : size)) throw tooLong(url, at, ranges ? end : size);
      if (to > from) yield piece.subarray(from, to);
      // Whoever waits to be told that there is no more gets the connection's next answer 40 ms later, in Chromium and for most
      // lengths.
      if (at >= end) return;
    }
    if (at < end) throw new Retryable(cut(url, at - begin, end - begin));
  } finally {
    answer.close();
  }
}

/** The body of an answer, piece by piece, as `stream` yields them. Throws `Retryable` when it stalls or breaks off. */
async function* piecesOf(
  { response, watch, rest, close, stalled }: Answer,
  url: string,
  { stallMs = STALL_MS, signal }: HttpOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const read = response.body ? readerOf(response.body) : nothing;
    for (;;) {
      watch();
      const piece = await read();
      rest();
      if (!piece) return;
      yield piece;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new Retryable(stalled() ? stall(url, stallMs) : brokenOff(url, error));
  } finally {
    close();
  }
}

/** Bytes that are read at once. */
const READ_BYTES = 2 ** 19;

const nothing = async (): Promise<undefined> => undefined;

/** Returns what reads the next piece: into the same memory again and again where the browser can, a fifth faster. */
function readerOf(body: ReadableStream<Uint8Array>): () => Promise<Uint8Array | undefined> {
  try {
    const reader = body.getReader({ mode: 'byob' });
    let memory = new ArrayBuffer(READ_BYTES);
    return async () => {
      const { done, value } = await reader.read(new Uint8Array(memory));
      if (done || !value) return undefined;
      memory = value.buffer;
      return value;
    };
  } catch {
    const reader = body.getReader(); // no stream of bytes here
    return async () => (await reader.read()).value;
  }
}

/** First byte and length of the file of a 206 answer. Throws `weights/http` for another status or part. */
function partOf(response: Response, url: string, start: number): { begin: number; total: number } {
  const range = response.headers.get('content-range') ?? '';
  const [, begin, , total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
  if (response.status === 206 && Number(begin) === start && Number.isSafeInteger(Number(total))) {
    return { begin: start, total: Number(total) };
  }
  throw new EngineError(
    'weights/http',
    `${url} — got status ${response.status} and Content-Range "${range}", needs 206 from byte ${start} — use another mirror`,
    { have: response.status, need: 206 },
  );
}

/** Length of the whole file that an answer brings; NaN when it is not told. */
function wholeLength(response: Response): number {
  if (response.status === 416) {
    return Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? NaN);
  }
  const encoded = response.headers.get('content-encoding') !== null;
  const length = response.headers.get('content-length');
  return length === null || encoded ? NaN : Number(length);
}

function checkSame(file: Known, response: Response): void {
  const etag = response.headers.get('etag') ?? undefined;
  if (file.etag !== undefined && etag !== undefined && etag !== file.etag) {
    throw changed(file.url, etag, file.etag);
  }
}

/** Fills `bytes` with what comes in pieces. */
async function collect(pieces: AsyncIterable<Uint8Array>, bytes: Uint8Array): Promise<Uint8Array> {
  let at = 0;
  for await (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

const changed = (url: string, have: string | number, need: string | number): EngineError =>
  new EngineError(
    'weights/changed',
    `${url} — got another file (${have}) than at the start (${need}) — load it again`,
    { have, need },
  );

const tooLong = (url: string, have: number, need: number): EngineError =>
  new EngineError(
    'weights/length',
    `${url} — got ${have} bytes or more, needs ${need} — the server tells a wrong length, use another mirror`,
    { have, need },
  );

const cut = (url: string, have: number, need: number): EngineError =>
  new EngineError(
    'weights/read',
    `${url} — got ${have} bytes, needs ${need} — the connection broke off, try again`,
    { have, need },
  );

const brokenOff = (url: string, cause: unknown): EngineError =>
  new EngineError('weights/read', `${url} — the connection broke off, try again`, { cause });
