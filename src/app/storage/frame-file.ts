/**
 * The frames of a run as they were made, in the browser's private file system: other formats are written from them without
 * the loss of a video codec. Written in a worker while the run goes on; kept only where space is plentiful.
 */
import { folderAt, readFile, removeEntry, storageError } from './folders.ts';

const FOLDER = 'frames';
/** More than this is not worth its space: the video itself can be decoded again. */
const LARGEST_BYTES = 2 ** 29;
/** Free space that is wanted, in multiples of what is to be written. */
const FREE_FACTOR = 4;

type SyncHandle = {
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
};
type WorkerFileHandle = { createSyncAccessHandle(): Promise<SyncHandle> };

/** A file of frames being written. */
export type FrameFile = {
  /** Adds a frame of RGBA bytes; after a failure nothing is added any more. */
  add(rgba: Uint8Array | Uint8ClampedArray): void;
  /** Closes the file; resolves to its name, or to undefined where it could not be written whole. */
  finish(): Promise<string | undefined>;
  /** Removes the file. */
  drop(): Promise<void>;
};

/**
 * Resolves to a new file for about `bytes` bytes of frames; undefined where there is not plenty of space, or none that this
 * site may use. For workers.
 */
export const createFrameFile = (bytes: number): Promise<FrameFile | undefined> =>
  // Without it other formats are made from the video.
  bytes > LARGEST_BYTES ? Promise.resolve(undefined) : opened(bytes).catch(() => undefined);

async function opened(bytes: number): Promise<FrameFile | undefined> {
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  if (quota - usage < FREE_FACTOR * bytes) return undefined;
  const name = `${crypto.randomUUID()}.rgba`;
  const folder = await folderAt(FOLDER);
  const file = (await folder.getFileHandle(name, { create: true })) as unknown as WorkerFileHandle;
  const handle = await file.createSyncAccessHandle().catch((cause: unknown) => {
    throw storageError(cause);
  });
  let at = 0;
  let state: 'open' | 'broken' | 'closed' = 'open';
  const close = (): void => {
    if (state !== 'closed') handle.close();
    state = 'closed';
  };
  return {
    add(rgba) {
      if (state !== 'open') return;
      try {
        const view = new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.byteLength);
        at += handle.write(view, { at });
      } catch {
        state = 'broken'; // full: the video itself is what counts
      }
    },
    async finish() {
      const isWhole = state === 'open';
      if (isWhole) handle.flush();
      close();
      if (isWhole) return name;
      await removeEntry(folder, name);
      return undefined;
    },
    async drop() {
      close();
      await removeEntry(folder, name);
    },
  };
}

/** Resolves to the frames in a file, undefined where it is gone. */
export const openFrameFile = async (name: string): Promise<File | undefined> =>
  readFile(await folderAt(FOLDER), name);

/** Removes a file of frames; nothing happens where there is none. */
export const removeFrameFile = async (name: string): Promise<void> =>
  removeEntry(await folderAt(FOLDER), name);

/** Removes all files of frames but those named: what broken runs left behind. */
export async function keepFrameFiles(names: ReadonlySet<string>): Promise<void> {
  const folder = await folderAt(FOLDER);
  for await (const name of folder.keys()) {
    // One that is being written belongs to a run that goes on.
    if (!names.has(name)) await removeEntry(folder, name).catch(() => undefined);
  }
}
