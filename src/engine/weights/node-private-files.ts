/** A folder of a disk in the shape of a browser's private file system, so that Node keeps models as pages do. Node only. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openAsBlob,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  mkdirSync,
} from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateFile, PrivateFolder, SyncFile } from './private-files.ts';
import type { Locks, StoreEnvironment } from './store.ts';

/** Returns what a store needs, over the folder at `path`, which is made when it is not there. */
export function nodeEnvironment(path: string): StoreEnvironment {
  mkdirSync(path, { recursive: true });
  return {
    folder: folderAt(path),
    locks: lockIn(path),
    freeBytes: async () => {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    },
  };
}

function folderAt(path: string): PrivateFolder {
  const kindOf = (name: string): 'file' | 'directory' | undefined => {
    const stats = statSync(join(path, name), { throwIfNoEntry: false });
    return stats && (stats.isDirectory() ? 'directory' : 'file');
  };
  const need = (name: string, kind: 'file' | 'directory'): string => {
    if (kindOf(name) === kind) return join(path, name);
    throw new DOMException(`no ${kind} ${join(path, name)}`, 'NotFoundError');
  };
  return {
    kind: 'directory',
    async getFileHandle(name, { create = false } = {}) {
      if (create && kindOf(name) === undefined) writeFileSync(join(path, name), '');
      return fileAt(need(name, 'file'));
    },
    async getDirectoryHandle(name, { create = false } = {}) {
      if (create) mkdirSync(join(path, name), { recursive: true });
      return folderAt(need(name, 'directory'));
    },
    async removeEntry(name) {
      rmSync(need(name, kindOf(name) ?? 'file'), { recursive: true });
    },
    async *entries() {
      for (const name of readdirSync(path)) {
        const place = join(path, name);
        yield [name, kindOf(name) === 'directory' ? folderAt(place) : fileAt(place)] as const;
      }
    },
  };
}

const fileAt = (path: string): PrivateFile => ({
  kind: 'file',
  createSyncAccessHandle: async () => syncFile(openSync(path, 'r+')),
  getFile: () => openAsBlob(path),
});

const syncFile = (file: number): SyncFile => ({
  getSize: () => fstatSync(file).size,
  read: (into, { at }) => readSync(file, into, 0, into.byteLength, at),
  write(bytes, { at }) {
    let written = 0;
    while (written < bytes.byteLength)
      written += writeSync(file, bytes, written, bytes.byteLength - written, at + written);
    return written;
  },
  truncate: (length) => ftruncateSync(file, length),
  flush: () => fsyncSync(file),
  close: () => closeSync(file),
});

/** How often a process looks whether another one is done. */
const POLL_MS = 500;

/** One lock for the folder, held by a process that lives: the name does not matter. */
function lockIn(folder: string): Locks {
  const file = join(folder, 'lock');
  let held = 0;
  const take = (): boolean => {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return true;
    } catch {
      if (!isAlive(Number(readFileSync(file, 'utf8')))) rmSync(file, { force: true });
      return false;
    }
  };
  return {
    async request(_name, { signal }, work) {
      while (held === 0 && !take()) {
        signal?.throwIfAborted();
        await sleep(POLL_MS);
      }
      held++;
      try {
        return await work();
      } finally {
        held--;
        if (held === 0) rmSync(file, { force: true });
      }
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
