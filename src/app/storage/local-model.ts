/** A model in a folder on the user's disk: picked, handed to the engine's worker, and read there piece by piece. */
import { directoryFiles, EngineError, pickedFiles, withPaths } from '../../engine/index.ts';
import type { ModelFiles, PickedFile } from '../../engine/index.ts';

/** A picked folder; can be posted to workers, and one with a handle be kept in IndexedDB. */
export type LocalModel =
  | { readonly name: string; readonly handle: FileSystemDirectoryHandle }
  | { readonly name: string; readonly files: readonly PickedFile[] };

type DirectoryPicker = (options: {
  readonly id: string;
  readonly mode: 'read';
}) => Promise<FileSystemDirectoryHandle>;

const pickerOf = (): DirectoryPicker | undefined =>
  (globalThis as { showDirectoryPicker?: DirectoryPicker }).showDirectoryPicker;

/** Whether the browser can pick folders that stay readable; else an `<input webkitdirectory>` has to do. */
export const canPickFolder = (): boolean => pickerOf() !== undefined;

/** Asks the user for a folder; resolves to undefined when none was chosen. Throws `weights/storage` where it cannot ask. */
export async function pickFolder(): Promise<LocalModel | undefined> {
  const pick = pickerOf();
  if (!pick) {
    throw new EngineError(
      'weights/storage',
      'folder — got a browser that opens none, needs showDirectoryPicker — use the file input',
    );
  }
  try {
    const handle = await pick({ id: 'models', mode: 'read' });
    return { name: handle.name, handle };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return undefined;
    throw error;
  }
}

/** Returns the folder in an `<input type=file webkitdirectory>`; undefined when it is empty. */
export function folderOf(picked: Iterable<File>): LocalModel | undefined {
  const files = withPaths(picked);
  const first = files[0];
  if (!first) return undefined;
  const name = first.path.includes('/') ? (first.path.split('/')[0] ?? '') : first.file.name;
  return { name, files };
}

/** Returns the files of a picked folder, in a page or a worker. Throws `weights/folder`. */
export const localFiles = async (model: LocalModel): Promise<ModelFiles> =>
  'handle' in model ? directoryFiles(model.handle) : pickedFiles(model.files);
