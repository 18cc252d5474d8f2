/**
 * Files of any size in the browser's own storage, each with a journal of what is safely there. For workers: pages have
 * no synchronous access. A folder a file: `data` and `journal`; the folder's name is a hash of the file's key.
 */
import { EngineError } from '../gpu/errors.ts';
import { checkRange, roomFor } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import type { FileFacts, JournalState } from './journal.ts';
import { Journal, parseJournal } from './journal.ts';
import type { PrivateFile, PrivateFolder, SyncFile } from './private-files.ts';
import { hexOf } from './sha256.ts';

/** One after another, across the tabs of this site; `navigator.locks` in browsers. */
export type Locks = {
  request<T>(name: string, options: { signal?: AbortSignal }, work: () => Promise<T>): Promise<T>;
};

export type StoreEnvironment = {
  readonly folder: PrivateFolder;
  readonly locks: Locks;
  /** Bytes that this site may still store, as far as the browser tells. */
  readonly freeBytes: () => Promise<number>;
};

/** A file that is in the store, whole or in part. */
export type StoreEntry = {
  readonly key: string;
  readonly size: number;
  readonly storedBytes: number;
  readonly finished: boolean;
};

/** A file of the store while it is written. */
export type OpenEntry = {
  readonly data: SyncFile;
  readonly journal: Journal;
  close(): void;
};

const DATA = 'data';
const JOURNAL = 'journal';
/** Chunks that are compared with their hashes each time a file is opened. */
const SAMPLED_CHUNKS = 8;

/** Returns the environment of the browser in whose worker this is called. Throws `weights/storage` where there is none. */
export async function browserEnvironment(folderName = 'models'): Promise<StoreEnvironment> {
  const { storage, locks } = navigator;
  try {
    const root = (await storage.getDirectory()) as unknown as PrivateFolder;
    return {
      folder: await root.getDirectoryHandle(folderName, { create: true }),
      locks,
      freeBytes: async () => {
        const { quota = Infinity, usage = 0 } = await storage.estimate();
        return quota - usage;
      },
    };
  } catch (cause) {
    throw new EngineError(
      'weights/storage',
      'storage — got none that this page may use (a private window, or blocked by settings) — use the model without keeping it',
      { cause },
    );
  }
}

/** The files kept for this site. */
export class Store {
  readonly environment: StoreEnvironment;

  constructor(environment: StoreEnvironment) {
    this.environment = environment;
  }

  /** Runs `work` while no other tab holds the file under `key`. */
  async alone<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const options = signal ? { signal } : {};
    return this.environment.locks.request(`zoetrope/store/${key}`, options, work);
  }

  /**
   * Resolves to the finished file under `key`, some of its chunks compared with their hashes; undefined when it is not
   * there or not whole. Throws `weights/corrupt` when a chunk is damaged.
   */
  async open(key: string): Promise<ByteSource | undefined> {
    const folder = await this.#folder(key, false);
    const state = folder && (await readJournal(folder));
    if (!folder || !state?.finished) return undefined;
    const file = await folder.getFileHandle(DATA);
    const blob = await file.getFile();
    const bad = await this.#damaged(blob, state, sample(state.digests.size));
    if (bad.length > 0) throw corrupt(key, bad[0] ?? 0);
    const { size } = state.facts;
    return {
      size,
      async read(start, end, memory) {
        checkRange(start, end, size);
        return (
          (await readDirectly(file, start, roomFor(end - start, memory))) ??
          new Uint8Array(await blob.slice(start, end).arrayBuffer().catch(gone(key)))
        );
      },
    };
  }

  /** Resolves to the chunks of a file that do not match their hashes any more. */
  async check(key: string): Promise<readonly number[]> {
    const folder = await this.#folder(key, false);
    const state = folder && (await readJournal(folder));
    if (!folder || !state) return [];
    const blob = await (await folder.getFileHandle(DATA)).getFile();
    return this.#damaged(blob, state, [...state.digests.keys()]);
  }

  /** Notes that `chunks` of a file are damaged, so that they are fetched again. To be called inside `alone`. */
  async forget(key: string, chunks: readonly number[]): Promise<void> {
    const folder = await this.#folder(key, false);
    if (!folder) return;
    const log = await openFile(folder, JOURNAL);
    const journal = Journal.resume(log);
    for (const chunk of chunks) journal?.forget(chunk);
    log.close();
  }

  /** Resolves to what is stored, for a panel that lists and deletes. */
  async list(): Promise<readonly StoreEntry[]> {
    const entries: StoreEntry[] = [];
    for await (const [, folder] of this.environment.folder.entries()) {
      const state = folder.kind === 'directory' ? await readJournal(folder) : undefined;
      if (!state) continue;
      const { facts, digests, finished } = state;
      const storedBytes = Math.min(facts.size, digests.size * facts.chunkBytes);
      entries.push({ key: facts.key, size: facts.size, storedBytes, finished });
    }
    return entries;
  }

  /** Deletes the file under `key`, if it is there. */
  async remove(key: string): Promise<void> {
    const name = await folderName(key);
    await this.environment.folder.removeEntry(name, { recursive: true }).catch(ignoreAbsence);
  }

  /**
   * Opens a file for writing: goes on with what is there when it is the same file, else starts anew. To be called
   * inside `alone`. Throws `weights/storage` when the browser refuses.
   */
  async write(facts: FileFacts): Promise<OpenEntry> {
    const folder = await this.#folder(facts.key, true);
    if (!folder) throw new EngineError('engine/assert', 'store — made no folder');
    const [data, log] = [await openFile(folder, DATA), await openFile(folder, JOURNAL)];
    const close = (): void => {
      data.close();
      log.close();
    };
    const old = Journal.resume(log);
    if (old && sameFile(old.state.facts, facts)) {
      for (const chunk of [...old.state.digests.keys()]) {
        const end = Math.min(facts.size, (chunk + 1) * facts.chunkBytes);
        if (end > data.getSize()) old.forget(chunk);
      }
      return { data, journal: old, close };
    }
    data.truncate(0);
    return { data, journal: Journal.start(log, facts), close };
  }

  /** Throws `weights/quota` unless `bytes` and a tenth more may be stored. */
  async checkSpace(bytes: number): Promise<void> {
    const have = await this.environment.freeBytes();
    const need = Math.ceil(bytes * 1.1);
    if (have < need) throw noSpace(have, need);
  }

  async #folder(key: string, create: boolean): Promise<PrivateFolder | undefined> {
    const handle = this.environment.folder.getDirectoryHandle(await folderName(key), { create });
    return handle.catch(ignoreAbsence);
  }

  async #damaged(
    blob: Blob,
    { facts, digests }: JournalState,
    chunks: readonly number[],
  ): Promise<readonly number[]> {
    const bad: number[] = [];
    for (const chunk of chunks) {
      const start = chunk * facts.chunkBytes;
      const end = Math.min(facts.size, start + facts.chunkBytes);
      const digest = await digestOf(await blob.slice(start, end).arrayBuffer());
      if (hexOf(digest) !== hexOf(digests.get(chunk) ?? new Uint8Array(0))) bad.push(chunk);
    }
    return bad;
  }
}

/** Returns the SHA-256 of bytes in memory, by the browser's own fast code. */
export const digestOf = async (bytes: BufferSource): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

/** Whether a failure is the browser's own refusal to store any more. */
export const isFullStorage = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'QuotaExceededError';

/** The failure to store any more. */
export const noSpace = (have: number | string, need: number): EngineError =>
  new EngineError(
    'weights/quota',
    `storage — got ${have} bytes free for this site, needs ${need} — free some space, or use the model without keeping it; what is stored stays`,
    { have, need },
  );

const corrupt = (key: string, chunk: number): EngineError =>
  new EngineError(
    'weights/corrupt',
    `${key} — got a damaged chunk ${chunk} in storage — load it again, just that chunk is fetched`,
    { have: chunk },
  );

async function readJournal(folder: PrivateFolder): Promise<JournalState | undefined> {
  const handle: PrivateFile | undefined = await folder.getFileHandle(JOURNAL).catch(ignoreAbsence);
  return handle && parseJournal(new Uint8Array(await (await handle.getFile()).arrayBuffer()));
}

async function openFile(folder: PrivateFolder, name: string): Promise<SyncFile> {
  const handle = await folder.getFileHandle(name, { create: true });
  return handle.createSyncAccessHandle().catch((cause: unknown) => {
    throw new EngineError(
      'weights/storage',
      `storage — got "${String(cause)}" for a file of this site — close its other tabs and try again`,
      { cause },
    );
  });
}

/**
 * Reads without the detour through another process that Blobs take; undefined where the browser does not allow it: outside of
 * workers, or while the file is written.
 */
async function readDirectly(
  file: PrivateFile,
  start: number,
  bytes: Uint8Array,
): Promise<Uint8Array | undefined> {
  const handle = await readable(file);
  if (!handle) return undefined;
  try {
    return handle.read(bytes, { at: start }) === bytes.byteLength ? bytes : undefined;
  } finally {
    handle.close();
  }
}

/** A Blob is void as soon as its file is written or deleted. */
const gone =
  (key: string) =>
  (cause: unknown): never => {
    throw new EngineError(
      'weights/storage',
      `${key} — was changed or deleted while it was read (${String(cause)}) — try again; close other tabs of this site`,
      { cause },
    );
  };

async function readable(file: PrivateFile): Promise<SyncFile | undefined> {
  try {
    return await file.createSyncAccessHandle({ mode: 'read-only' });
  } catch {
    return undefined;
  }
}

/** The same content: by its hash where both know one, else by length and the server's name for it. */
function sameFile(a: FileFacts, b: FileFacts): boolean {
  if (a.key !== b.key || a.size !== b.size || a.chunkBytes !== b.chunkBytes) return false;
  if (a.sha256 !== undefined || b.sha256 !== undefined) return a.sha256 === b.sha256;
  return a.etag === b.etag;
}

const folderName = async (key: string): Promise<string> =>
  hexOf(await digestOf(new TextEncoder().encode(key))).slice(0, 32);

/** Resolves to where below a store's folder the bytes of a file lie; whoever reads them there sees no journal. */
export const storedAt = async (key: string): Promise<string> => `${await folderName(key)}/${DATA}`;

/** First, last and some of those between. */
function sample(count: number): readonly number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (count <= SAMPLED_CHUNKS) return all;
  const some = new Set([0, count - 1]);
  while (some.size < SAMPLED_CHUNKS) some.add(Math.floor(Math.random() * count));
  return [...some];
}

function ignoreAbsence(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}
