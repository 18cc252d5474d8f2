/** The private file system of the page's origin (OPFS): folders and files by path, with failures in typed errors. */
import { EngineError } from '../../engine/index.ts';

/** Returns a folder below the root, made where it is missing. Throws `storage/forbidden`, `storage/quota`. */
export async function folderAt(...names: readonly string[]): Promise<FileSystemDirectoryHandle> {
  try {
    let folder = await navigator.storage.getDirectory();
    for (const name of names) folder = await folder.getDirectoryHandle(name, { create: true });
    return folder;
  } catch (cause) {
    throw storageError(cause);
  }
}

/** Writes a whole file, piece after piece; what was there stays when it fails. Throws `storage/quota`, `storage/busy`, `storage/forbidden`. */
export async function writeFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  ...pieces: readonly (Blob | BufferSource | string)[]
): Promise<void> {
  let stream: FileSystemWritableFileStream | undefined;
  try {
    const file = await folder.getFileHandle(name, { create: true });
    stream = await file.createWritable();
    for (const piece of pieces) await stream.write(piece);
    await stream.close();
  } catch (cause) {
    await stream?.abort().catch(() => undefined); // it may be closed already: the first failure counts
    throw storageError(cause);
  }
}

/** Resolves to a file, undefined where there is none. */
export async function readFile(
  folder: FileSystemDirectoryHandle,
  name: string,
): Promise<File | undefined> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw storageError(cause);
  }
}

/** Removes a file or a folder with all in it; nothing happens where there is none. Throws `storage/busy`. */
export async function removeEntry(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  try {
    await folder.removeEntry(name, { recursive: true });
  } catch (cause) {
    if (!isMissing(cause)) throw storageError(cause);
  }
}

const nameOf = (cause: unknown): string =>
  cause instanceof Error || cause instanceof DOMException ? cause.name : '';

const isMissing = (cause: unknown): boolean => nameOf(cause) === 'NotFoundError';

/** Returns a failure of the storage in the app's words. */
export function storageError(cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  const name = nameOf(cause);
  if (name === 'QuotaExceededError') {
    return new EngineError(
      'storage/quota',
      'storage — got no more space for this site, needs some — delete videos or models, or free disk space',
      { cause },
    );
  }
  if (name === 'NoModificationAllowedError' || name === 'InvalidStateError') {
    return new EngineError(
      'storage/busy',
      'storage — got a file that is in use, needs it closed — end the run that uses it, or close other tabs',
      { cause },
    );
  }
  return new EngineError(
    'storage/forbidden',
    `storage — got ${name || String(cause)}, needs a browser that lets this site keep files — leave private browsing`,
    { cause },
  );
}
