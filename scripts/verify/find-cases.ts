/** Golden cases on disk: every folder with a config.json and an io.safetensors. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { FileSource } from '../../src/engine/weights/node-source.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { openSafetensors, readF32, tensorInfo } from '../../src/engine/weights/safetensors.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import type { CaseContext } from './case.ts';

/** Returns the folders of all cases at or below `folders`, sorted, each once. Throws when a folder cannot be read. */
export async function findCases(folders: readonly string[]): Promise<string[]> {
  const found = await Promise.all(folders.map(casesBelow));
  return [...new Set(found.flat())].sort();
}

async function casesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const has = (name: string): boolean =>
    entries.some((entry) => entry.name === name && !entry.isDirectory());
  if (has('config.json') && has('io.safetensors')) return [folder];
  const below = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => casesBelow(join(folder, entry.name)));
  return (await Promise.all(below)).flat();
}

/** The files of one case, opened. */
export type OpenCase = Pick<CaseContext, 'config' | 'io' | 'weightFiles' | 'open' | 'readJson'> & {
  close(): Promise<void>;
};

/** Resolves to the case in `folder`. Throws `EngineError` for files that are not what they should be. */
export async function openCase(folder: string): Promise<OpenCase> {
  const opened: FileSource[] = [];
  const sourceOf = async (path: string): Promise<FileSource> => {
    const source = await fileSource(join(folder, path));
    opened.push(source);
    return source;
  };
  const readJson: OpenCase['readJson'] = async (path) =>
    JSON.parse(await readFile(join(folder, path), 'utf8'));
  const config = await readJson('config.json');
  const io = await openSafetensors(await sourceOf('io.safetensors'));
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const weightFiles = files
    .filter(
      (file) =>
        !file.isDirectory() && file.name.endsWith('.safetensors') && file.name !== 'io.safetensors',
    )
    .map((file) =>
      relative(folder, join(file.parentPath, file.name))
        .split(sep)
        .join('/')
        .replace(/\.safetensors$/, ''),
    )
    .sort();
  return {
    config,
    io: {
      names: () => [...io.tensors.keys()],
      has: (name) => io.tensors.has(name),
      read: async (name) => ({
        values: await readF32(io, name),
        shape: tensorInfo(io, name).shape,
      }),
    },
    weightFiles,
    readJson,
    open: async (path, rename) => WeightStore.open([await sourceOf(`${path}.safetensors`)], rename),
    close: async () => {
      for (const source of opened) await source.close();
    },
  };
}
