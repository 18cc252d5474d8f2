/**
 * Checkpoints in the page's private file system. A job has a folder: what stays the same over the steps is written
 * once, the sampler's own tensors each time, whole or not at all.
 */
import type { Checkpoint, CheckpointSink } from '../../engine/index.ts';
import { folderAt, readFile, removeEntry, writeFile } from '../storage/folders.ts';

type Values = Checkpoint['state'];

type Pieces = readonly Uint8Array<ArrayBuffer>[];

/** Files in folders by name; OPFS, or memory in tests. */
export type CheckpointFiles = {
  /** Writes pieces one after the other, all or nothing. */
  write(folder: string, file: string, pieces: Pieces): Promise<void>;
  read(folder: string, file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  remove(folder: string): Promise<void>;
};

const FOLDER = 'checkpoints';
const CONDITIONS = 'conditions';
const STATE = 'state';

/** Returns the files of the page's origin. Calls throw `storage/…`. */
export const privateFiles = (): CheckpointFiles => ({
  write: async (folder, file, pieces) => writeFile(await folderAt(FOLDER, folder), file, ...pieces),
  async read(folder, file) {
    const found = await readFile(await folderAt(FOLDER, folder), file);
    return found && new Uint8Array(await found.arrayBuffer());
  },
  remove: async (folder) => removeEntry(await folderAt(FOLDER), folder),
});

/** Work that may be lost: a checkpoint is due after so many milliseconds of it. */
const DUE_MS = 10_000;

export type SinkOptions = {
  readonly now?: () => number;
  readonly onSaved?: (checkpoint: Checkpoint) => void;
  /** Told when a checkpoint cannot be kept, once; the run goes on without. */
  readonly onError?: (error: unknown) => void;
  readonly dueMs?: number;
};

/**
 * Returns where the checkpoints of a job go; without a name for it they are told of and not written. `kind` says of what they are, settings and adapter among it: those of
 * another kind are never gone on with.
 */
export function checkpointSink(
  files: CheckpointFiles,
  job: string | undefined,
  kind: string,
  { now = () => performance.now(), onSaved, onError, dueMs = DUE_MS }: SinkOptions = {},
): CheckpointSink {
  let last = now();
  let written: Values | undefined;
  let failed = false;
  return {
    due: () => !failed && now() - last >= dueMs,
    async save(checkpoint) {
      if (failed) return;
      const { round, step, steps, conditions, state } = checkpoint;
      try {
        if (job !== undefined && conditions !== written) {
          await files.write(job, CONDITIONS, encode({ kind, round }, conditions));
          written = conditions;
        }
        if (job !== undefined) {
          await files.write(job, STATE, encode({ kind, round, step, steps }, state));
        }
        onSaved?.(checkpoint);
      } catch (error) {
        failed = true;
        onError?.(error);
      }
      last = now();
    },
  };
}

/** Resolves to the last checkpoint of a job; undefined where there is none of that kind, or only part of one. */
export async function loadCheckpoint(
  files: CheckpointFiles,
  job: string,
  kind: string,
): Promise<Checkpoint | undefined> {
  const [conditions, state] = [await files.read(job, CONDITIONS), await files.read(job, STATE)];
  const [known, last] = [conditions && decode(conditions), state && decode(state)];
  if (!known || !last || known.header.kind !== kind || last.header.kind !== kind) return undefined;
  const { round, step, steps } = last.header;
  if (known.header.round !== round || step === undefined || steps === undefined) return undefined;
  return { round, step, steps, conditions: known.values, state: last.values };
}

type Header = {
  readonly kind: string;
  readonly round: number;
  readonly step?: number;
  readonly steps?: number;
};

/** Layout: length of the header in bytes (u32), the header as JSON padded with spaces to four bytes, the values as f32. */
function encode(header: Header, values: Values): Pieces {
  const lengths = Object.entries(values).map(([name, { length }]) => [name, length] as const);
  const json = JSON.stringify({ ...header, lengths });
  const bytes = new TextEncoder().encode(json);
  const start = 4 + Math.ceil(bytes.length / 4) * 4;
  const head = new Uint8Array(start).fill(0x20, 4);
  new DataView(head.buffer).setUint32(0, start - 4, true);
  head.set(bytes, 4);
  return [head, ...Object.values(values).map(bytesOf)];
}

/** The bytes of values, not copied. Nothing of ours is shared between threads. */
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

function decode(
  file: Uint8Array<ArrayBuffer>,
): { readonly header: Header; readonly values: Values } | undefined {
  if (file.byteLength < 4) return undefined;
  const start = 4 + new DataView(file.buffer).getUint32(0, true);
  if (start > file.byteLength || start % 4 !== 0) return undefined;
  const { lengths, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(4, start))) as {
    lengths: [string, number][];
  } & Header;
  const values: Record<string, Float32Array> = {};
  let at = start;
  for (const [name, length] of lengths) {
    if (at + 4 * length > file.byteLength) return undefined;
    values[name] = new Float32Array(file.buffer, at, length);
    at += 4 * length;
  }
  return at === file.byteLength ? { header, values } : undefined;
}
