/** Files from a web server into the store: several chunks at a time, each hashed, written and noted before it counts. */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { FileFacts } from './journal.ts';
import type { RemoteFile } from './remote-file.ts';
import { hexOf, Sha256 } from './sha256.ts';
import { digestOf, isFullStorage, noSpace } from './store.ts';
import type { OpenEntry, Store } from './store.ts';

export type DownloadOptions = {
  readonly signal?: AbortSignal;
  /** SHA-256 of the file as its publisher tells it, in hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** Chunks that are on their way at the same time. */
  readonly connections?: number;
  /** Bytes of a chunk: what a kill costs a connection at most. */
  readonly chunkBytes?: number;
  /** Bytes of the file that are there, those on their way included. */
  readonly onProgress?: (bytes: number, size: number) => void;
};

export const DOWNLOAD_CHUNK_BYTES = 8 * 2 ** 20;
const CONNECTIONS = 3;

/**
 * Resolves to the file under `key`, fetched as far as it is not there yet; damaged chunks are fetched again. One tab
 * at a time: a second one waits and then finds it done. `open` asks the server for the file.
 * Throws `weights/quota` before the start or when the storage is full, `weights/hash` when the whole is not what its
 * publisher says, and what reading from the server throws. What came stays, but for a wrong hash.
 */
export async function download(
  store: Store,
  key: string,
  open: () => Promise<RemoteFile>,
  options: DownloadOptions = {},
): Promise<ByteSource> {
  return store.alone(key, options.signal, async () => {
    const ready = await openSound(store, key);
    if (ready) return ready;
    const remote = await open();
    const { sha256, chunkBytes = DOWNLOAD_CHUNK_BYTES } = options;
    const facts: FileFacts = {
      ...{ key, size: remote.size, chunkBytes },
      ...(remote.etag !== undefined && { etag: remote.etag }),
      ...(sha256 !== undefined && { sha256 }),
    };
    let entry: OpenEntry | undefined;
    try {
      entry = await store.write(facts);
      await new Fetching(entry, remote, options).run(store);
      entry.close();
    } catch (error) {
      entry?.close();
      if (error instanceof EngineError && error.code === 'weights/hash') await store.remove(key);
      throw isFullStorage(error)
        ? noSpace(await store.environment.freeBytes(), remote.size)
        : error;
    }
    const file = await store.open(key);
    if (!file) throw new EngineError('engine/assert', `${key} — stored, but not found again`);
    return file;
  });
}

/** The finished file; when a chunk of it is damaged, all that are get forgotten. */
async function openSound(store: Store, key: string): Promise<ByteSource | undefined> {
  try {
    return await store.open(key);
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'weights/corrupt')) throw error;
  }
  await store.forget(key, await store.check(key));
  return undefined;
}

/** One download under way. */
class Fetching {
  readonly #entry: OpenEntry;
  readonly #remote: RemoteFile;
  readonly #options: DownloadOptions;
  readonly #facts: FileFacts;
  readonly #count: number;
  #arrived = 0;

  constructor(entry: OpenEntry, remote: RemoteFile, options: DownloadOptions) {
    this.#entry = entry;
    this.#remote = remote;
    this.#options = options;
    this.#facts = entry.journal.state.facts;
    this.#count = Math.ceil(remote.size / this.#facts.chunkBytes);
  }

  async run(store: Store): Promise<void> {
    const { digests } = this.#entry.journal.state;
    const missing = Array.from({ length: this.#count }, (_, i) => i).filter((i) => !digests.has(i));
    const missingBytes = missing.reduce((sum, chunk) => sum + this.#length(chunk), 0);
    await store.checkSpace(missingBytes);
    this.#arrived = this.#remote.size - missingBytes;
    this.#report(0);
    const hash = this.#startHash();
    if (this.#remote.ranges) await this.#inParallel(missing, hash);
    else if (missing.length > 0) await this.#inOneGo(new Set(missing), hash);
    this.#advance(hash);
    this.#finish(hash);
  }

  /** Several connections, each with its next chunk. The first that fails ends the others. */
  async #inParallel(missing: number[], hash: Sha256 | undefined): Promise<void> {
    const left = missing.values();
    let failed = false;
    const connection = async (): Promise<void> => {
      for (const chunk of left) {
        if (failed) return;
        const bytes = new Uint8Array(this.#length(chunk));
        let at = 0;
        const start = chunk * this.#facts.chunkBytes;
        for await (const piece of this.#remote.stream(start, start + bytes.byteLength)) {
          if (failed) return;
          bytes.set(piece, at);
          at += piece.byteLength;
          this.#report(piece.byteLength);
        }
        await this.#keep(chunk, bytes);
        this.#advance(hash);
      }
    };
    const { connections = CONNECTIONS } = this.#options;
    const all = Array.from({ length: connections }, () =>
      connection().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    );
    const results = await Promise.allSettled(all);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** From the first byte to the last, for servers that give no parts; chunks that are there are read over. */
  async #inOneGo(missing: ReadonlySet<number>, hash: Sha256 | undefined): Promise<void> {
    let chunk = 0;
    let bytes = new Uint8Array(this.#length(0));
    let filled = 0;
    for await (const whole of this.#remote.stream(0, this.#remote.size)) {
      for (let piece = whole; piece.byteLength > 0;) {
        const taken = piece.subarray(0, bytes.byteLength - filled);
        bytes.set(taken, filled);
        filled += taken.byteLength;
        piece = piece.subarray(taken.byteLength);
        if (missing.has(chunk)) this.#report(taken.byteLength);
        if (filled < bytes.byteLength) continue;
        if (missing.has(chunk)) await this.#keep(chunk, bytes);
        this.#advance(hash);
        bytes = new Uint8Array(this.#length(++chunk));
        filled = 0;
      }
    }
  }

  /** Writes a chunk; it counts from the moment that the journal knows it. */
  async #keep(chunk: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const digest = digestOf(bytes); // while it is written
    const { data, journal } = this.#entry;
    data.write(bytes, { at: chunk * this.#facts.chunkBytes });
    data.flush();
    journal.stored(chunk, await digest);
  }

  #startHash(): Sha256 | undefined {
    if (this.#facts.sha256 === undefined) return undefined;
    const { hashed } = this.#entry.journal.state;
    return hashed
      ? Sha256.resume(hashed.state, hashed.chunks * this.#facts.chunkBytes)
      : new Sha256();
  }

  /** Takes the hash of the whole file as far as chunks follow each other without a gap. */
  #advance(hash: Sha256 | undefined): void {
    if (!hash) return;
    const { data, journal } = this.#entry;
    const { chunkBytes } = this.#facts;
    let next = Math.ceil(hash.bytes / chunkBytes);
    for (; next < this.#count && journal.state.digests.has(next); next++) {
      const bytes = new Uint8Array(this.#length(next));
      data.read(bytes, { at: next * chunkBytes });
      hash.update(bytes);
      const state = hash.save();
      if (state && next + 1 < this.#count) journal.hashed(next + 1, state);
    }
  }

  #finish(hash: Sha256 | undefined): void {
    const { sha256, key } = this.#facts;
    if (hash && sha256 !== undefined) {
      const have = hexOf(hash.digest());
      if (have !== sha256.toLowerCase()) {
        throw new EngineError(
          'weights/hash',
          `${key} — got a file with SHA-256 ${have}, needs ${sha256} — use another mirror; the file was removed`,
          { have, need: sha256 },
        );
      }
    }
    this.#entry.journal.finish();
  }

  #length(chunk: number): number {
    const { chunkBytes, size } = this.#facts;
    return Math.max(0, Math.min(chunkBytes, size - chunk * chunkBytes));
  }

  #report(bytes: number): void {
    this.#options.signal?.throwIfAborted();
    this.#arrived += bytes;
    this.#options.onProgress?.(this.#arrived, this.#remote.size);
  }
}
