/** Timings in a JSON file, for commands on Node. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TuningStore } from './store.ts';

/** Returns a store in the file `path`, which need not be there yet. A file that is not JSON counts as empty. */
export function fileStore(path: string): TuningStore {
  const read = async (): Promise<Record<string, unknown>> => {
    try {
      const value: unknown = JSON.parse(await readFile(path, 'utf8'));
      return typeof value === 'object' && value !== null ? { ...value } : {};
    } catch (error) {
      const absent = (error as { code?: unknown }).code === 'ENOENT';
      if (absent || error instanceof SyntaxError) return {};
      throw error;
    }
  };
  return {
    load: async (adapter) => (await read())[adapter],
    save: async (adapter, record) => {
      const all = { ...(await read()), [adapter]: record };
      await mkdir(dirname(path), { recursive: true });
      // Written beside and moved, so that a process that ends midway leaves the old file.
      await writeFile(`${path}.part`, `${JSON.stringify(all, null, 1)}\n`);
      await rename(`${path}.part`, path);
    },
  };
}
