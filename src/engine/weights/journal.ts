/**
 * What is known to be safe of a file in the browser's storage: a log that is only ever appended to, so that a page
 * killed at any byte leaves at worst a torn last record, which its check value gives away.
 *
 *   "ZJ01" · u32 length · JSON facts · u32 check · records
 *   record  u32 kind · u32 index · 32 bytes · u32 check            all little-endian
 */
import type { SyncFile } from './private-files.ts';

/** What file this is. */
export type FileFacts = {
  /** Where it comes from, in words that name nothing else: repository, commit and path, for example. */
  readonly key: string;
  readonly size: number;
  readonly chunkBytes: number;
  readonly etag?: string;
  /** Of the whole file, in hexadecimal digits, where its publisher tells it. */
  readonly sha256?: string;
};

/** SHA-256 of every whole chunk that is stored. */
export type JournalState = {
  readonly facts: FileFacts;
  readonly digests: Map<number, Uint8Array>;
  /** The hash of the whole file as far as it has come: chunks and state. */
  hashed: { readonly chunks: number; readonly state: Uint8Array } | undefined;
  finished: boolean;
  /** Length of the journal's sound part. */
  bytes: number;
};

const MAGIC = 0x31304a5a;
const RECORD_BYTES = 44;
const MAX_FACTS = 1 << 16;

const KINDS = { chunk: 1, hashed: 2, finished: 3, forgotten: 4 } as const;
type Kind = keyof typeof KINDS;

/** Returns what a journal says, up to its first torn record; undefined when even its facts are torn. */
export function parseJournal(bytes: Uint8Array): JournalState | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 8 || view.getUint32(0, true) !== MAGIC) return undefined;
  const length = view.getUint32(4, true);
  const head = 8 + length;
  if (length > MAX_FACTS || bytes.byteLength < head + 4) return undefined;
  if (view.getUint32(head, true) !== checkOf(bytes.subarray(0, head))) return undefined;
  const facts = parseFacts(bytes.subarray(8, head));
  if (!facts) return undefined;
  const state: JournalState = {
    facts,
    digests: new Map(),
    hashed: undefined,
    finished: false,
    bytes: head + 4,
  };
  while (state.bytes + RECORD_BYTES <= bytes.byteLength) {
    const record = bytes.subarray(state.bytes, state.bytes + RECORD_BYTES);
    const check = view.getUint32(state.bytes + RECORD_BYTES - 4, true);
    if (check !== checkOf(record.subarray(0, RECORD_BYTES - 4))) break;
    const [kind, index] = [
      view.getUint32(state.bytes, true),
      view.getUint32(state.bytes + 4, true),
    ];
    apply(state, kind, index, record.slice(8, 40));
    state.bytes += RECORD_BYTES;
  }
  return state;
}

/** A journal open for appending. Every call returns only when the record is on the disk. */
export class Journal {
  readonly #file: SyncFile;
  readonly state: JournalState;

  private constructor(file: SyncFile, state: JournalState) {
    this.#file = file;
    this.state = state;
  }

  /** Goes on with the journal in `file`, its torn end cut off; undefined when there is none. */
  static resume(file: SyncFile): Journal | undefined {
    const bytes = new Uint8Array(file.getSize());
    file.read(bytes, { at: 0 });
    const state = parseJournal(bytes);
    if (!state) return undefined;
    if (state.bytes < bytes.byteLength) file.truncate(state.bytes);
    return new Journal(file, state);
  }

  /** Starts a journal in `file`, whatever was there before. */
  static start(file: SyncFile, facts: FileFacts): Journal {
    const json = new TextEncoder().encode(JSON.stringify(facts));
    const bytes = new Uint8Array(12 + json.byteLength);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, json.byteLength, true);
    bytes.set(json, 8);
    view.setUint32(8 + json.byteLength, checkOf(bytes.subarray(0, 8 + json.byteLength)), true);
    file.truncate(0);
    file.write(bytes, { at: 0 });
    file.flush();
    const { byteLength } = bytes;
    const state = { facts, digests: new Map(), hashed: undefined, finished: false };
    return new Journal(file, { ...state, bytes: byteLength });
  }

  /** Chunk `index`, already flushed, has this SHA-256. */
  stored(index: number, digest: Uint8Array): void {
    this.#append('chunk', index, digest);
  }

  /** Chunk `index` turned out to be damaged. */
  forget(index: number): void {
    this.#append('forgotten', index, new Uint8Array(32));
  }

  /** The hash of the file's first `chunks` chunks can be taken up from `state`. */
  hashed(chunks: number, state: Uint8Array): void {
    this.#append('hashed', chunks, state);
  }

  finish(): void {
    this.#append('finished', 0, new Uint8Array(32));
  }

  #append(kind: Kind, index: number, payload: Uint8Array): void {
    const record = new Uint8Array(RECORD_BYTES);
    const view = new DataView(record.buffer);
    view.setUint32(0, KINDS[kind], true);
    view.setUint32(4, index, true);
    record.set(payload, 8);
    view.setUint32(RECORD_BYTES - 4, checkOf(record.subarray(0, RECORD_BYTES - 4)), true);
    this.#file.write(record, { at: this.state.bytes });
    this.#file.flush();
    this.state.bytes += RECORD_BYTES;
    apply(this.state, KINDS[kind], index, payload);
  }
}

function apply(state: JournalState, kind: number, index: number, payload: Uint8Array): void {
  if (kind === KINDS.chunk) state.digests.set(index, payload);
  if (kind === KINDS.hashed) state.hashed = { chunks: index, state: payload };
  if (kind === KINDS.finished) state.finished = true;
  if (kind !== KINDS.forgotten) return;
  state.digests.delete(index);
  state.finished = false;
  if (state.hashed && state.hashed.chunks > index) state.hashed = undefined;
}

function parseFacts(bytes: Uint8Array): FileFacts | undefined {
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes)) as FileFacts;
    const sound =
      typeof json.key === 'string' &&
      Number.isSafeInteger(json.size) &&
      Number.isSafeInteger(json.chunkBytes);
    return sound ? json : undefined;
  } catch {
    return undefined; // another version's journal: the file is loaded anew
  }
}

/** FNV-1a: tells a torn record from a whole one. */
function checkOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
