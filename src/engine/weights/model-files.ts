/** The files of a model wherever they lie: a folder that the user picked, files dropped on the page, a web server. */
import { EngineError } from '../gpu/errors.ts';
import { blobSource } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import type { HttpOptions } from './http.ts';
import type { Packs } from './packs.ts';
import { urlSource } from './remote-file.ts';

/** Files by their path from the model's folder, parts joined by `/`. node-source.ts has those of a disk. */
export type ModelFiles = {
  /** Every path, where the place can tell. */
  readonly paths?: readonly string[];
  /** Resolves to the file's bytes; undefined when there is no such file. */
  open(path: string): Promise<ByteSource | undefined>;
  /** Where the quantised weights of a part are kept from run to run. */
  packs?(part: string): Packs;
};

/** Folders in folders are looked into this deep. */
const MAX_DEPTH = 4;
/** More files than any model has. */
const MAX_FILES = 10_000;

/** Returns the files of a folder from `showDirectoryPicker`. Throws `weights/folder` for one with too many files. */
export async function directoryFiles(folder: FileSystemDirectoryHandle): Promise<ModelFiles> {
  const handles = new Map<string, FileSystemFileHandle>();
  const visit = async (handle: FileSystemDirectoryHandle, prefix: string, depth: number) => {
    for await (const [name, entry] of handle.entries()) {
      if (isFile(entry)) handles.set(prefix + name, entry);
      else if (isFolder(entry) && depth < MAX_DEPTH)
        await visit(entry, `${prefix}${name}/`, depth + 1);
      if (handles.size > MAX_FILES) throw tooMany(folder.name);
    }
  };
  await visit(folder, '', 0);
  return {
    paths: [...handles.keys()],
    open: async (path) => {
      const handle = handles.get(path);
      return handle && blobSource(await handle.getFile());
    },
  };
}

/** A picked file and its path, the folder's own name in front: posting a `File` to a worker loses that. */
export type PickedFile = { readonly path: string; readonly file: File };

/** Returns the files of `<input webkitdirectory>`, or single ones, each with its path. */
export const withPaths = (picked: Iterable<File>): readonly PickedFile[] =>
  Array.from(picked, (file) => ({ path: file.webkitRelativePath || file.name, file }));

/** Returns picked files as those of a model; the folder's own name is left out of the paths. */
export function pickedFiles(picked: Iterable<PickedFile>): ModelFiles {
  const files = new Map<string, File>();
  for (const { path, file } of picked) files.set(path.slice(path.indexOf('/') + 1), file);
  return {
    paths: [...files.keys()],
    open: async (path) => {
      const file = files.get(path);
      return file && blobSource(file);
    },
  };
}

/**
 * Returns the files below an address, read by Range requests; `paths` where they are known. `open` throws what `urlSource`
 * throws, but for absence.
 */
export function urlFiles(
  base: string,
  options: HttpOptions = {},
  paths?: readonly string[],
): ModelFiles {
  const folder = base.endsWith('/') ? base : `${base}/`;
  return {
    ...(paths && { paths }),
    open: async (path) => {
      if (paths && !paths.includes(path)) return undefined;
      try {
        return await urlSource(folder + path.split('/').map(encodeURIComponent).join('/'), options);
      } catch (error) {
        if (error instanceof EngineError && error.code === 'weights/not-found') return undefined;
        throw error;
      }
    },
  };
}

const isFile = (entry: FileSystemHandle): entry is FileSystemFileHandle => entry.kind === 'file';
const isFolder = (entry: FileSystemHandle): entry is FileSystemDirectoryHandle =>
  entry.kind === 'directory';

const tooMany = (name: string): EngineError =>
  new EngineError(
    'weights/folder',
    `${name} — got more than ${MAX_FILES} files, needs the folder of one model — choose that`,
    { need: MAX_FILES },
  );
