/** Files on disk as byte sources. Node only: no other file of the engine imports this one. */
import { open, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { EngineError } from '../gpu/errors.ts';
import { checkRange, roomFor } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import type { ModelFiles } from './model-files.ts';

export type FileSource = ByteSource & { close(): Promise<void> };

/** Returns a source over the file at `path`, which stays open until `close`. Throws `weights/file` when it cannot. */
export async function fileSource(path: string): Promise<FileSource> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new EngineError('weights/file', `${path} — cannot be opened — check the path`, { cause });
  });
  const { size } = await handle.stat();
  return {
    size,
    async read(start, end, memory) {
      checkRange(start, end, size);
      const bytes = roomFor(end - start, memory);
      let filled = 0;
      while (filled < bytes.byteLength) {
        const { bytesRead } = await handle.read(
          bytes,
          filled,
          bytes.byteLength - filled,
          start + filled,
        );
        if (bytesRead === 0) {
          throw new EngineError(
            'weights/read',
            `${path} — got ${filled} bytes, needs ${bytes.byteLength} — the file shrank while it was read`,
            { have: filled, need: bytes.byteLength },
          );
        }
        filled += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

/** Returns the files of a folder on disk; those that were opened stay so until `close`. Throws `weights/file`. */
export async function folderFiles(
  folder: string,
): Promise<ModelFiles & { close(): Promise<void> }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (cause: unknown) => {
      throw new EngineError('weights/file', `${folder} — cannot be read — check the path`, {
        cause,
      });
    },
  );
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  const opened: FileSource[] = [];
  return {
    paths,
    async open(path) {
      if (!paths.includes(path)) return undefined;
      const source = await fileSource(join(folder, path));
      opened.push(source);
      return source;
    },
    async close() {
      await Promise.all(opened.splice(0).map((source) => source.close()));
    },
  };
}
