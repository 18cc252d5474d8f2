/**
 * The browser's private file system in memory, with the faults that a real one has: it forgets what was not flushed
 * when the page is killed, it fills up, and it gives out one handle for writing at a time.
 */

import type { PrivateFolder, SyncFile } from '../../src/engine/weights/private-files.ts';

/** What a kill leaves of bytes that were written but not flushed. */
export type Torn = (unflushed: { at: number; bytes: Uint8Array }) => Uint8Array | undefined;

class FakeFile {
  readonly kind = 'file';
  readonly name: string;
  safe = new Uint8Array(0);
  pending: { at: number; bytes: Uint8Array }[] = [];
  length = 0;
  open = false;
  readonly #disk: FakeDisk;

  constructor(name: string, disk: FakeDisk) {
    this.name = name;
    this.#disk = disk;
  }

  get content(): Uint8Array<ArrayBuffer> {
    const content = new Uint8Array(this.length);
    content.set(this.safe.subarray(0, this.length));
    for (const { at, bytes } of this.pending) content.set(bytes.subarray(0, this.length - at), at);
    return content;
  }

  async getFile(): Promise<File> {
    return new File([this.content], this.name);
  }

  async createSyncAccessHandle(): Promise<SyncFile> {
    if (this.open) throw new DOMException('in use', 'NoModificationAllowedError');
    this.open = true;
    const disk = this.#disk;
    return {
      getSize: () => this.length,
      read: (into, { at }) => {
        const part = this.content.subarray(at, at + into.byteLength);
        into.set(part);
        return part.byteLength;
      },
      write: (bytes, { at }) => {
        disk.spend(Math.max(0, at + bytes.byteLength - this.length));
        disk.tick();
        this.pending.push({ at, bytes: bytes.slice() });
        this.length = Math.max(this.length, at + bytes.byteLength);
        return bytes.byteLength;
      },
      truncate: (length) => {
        disk.tick();
        this.flush();
        this.length = length;
        this.safe = this.content;
      },
      flush: () => {
        disk.tick();
        this.flush();
      },
      close: () => {
        this.flush();
        this.open = false;
      },
    };
  }

  flush(): void {
    this.safe = this.content;
    this.pending = [];
  }
}

class FakeFolder {
  readonly kind = 'directory';
  readonly name: string;
  readonly children = new Map<string, FakeFile | FakeFolder>();
  readonly #disk: FakeDisk;

  constructor(name: string, disk: FakeDisk) {
    this.name = name;
    this.#disk = disk;
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    const found = this.children.get(name) ?? (create ? new FakeFile(name, this.#disk) : undefined);
    if (!(found instanceof FakeFile)) throw new DOMException(name, 'NotFoundError');
    this.children.set(name, found);
    return found;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeFolder> {
    const found =
      this.children.get(name) ?? (create ? new FakeFolder(name, this.#disk) : undefined);
    if (!(found instanceof FakeFolder)) throw new DOMException(name, 'NotFoundError');
    this.children.set(name, found);
    return found;
  }

  async removeEntry(name: string): Promise<void> {
    if (!this.children.delete(name)) throw new DOMException(name, 'NotFoundError');
  }

  async *entries(): AsyncGenerator<[string, FakeFile | FakeFolder]> {
    yield* this.children;
  }
}

/** Thrown out of whatever the page was doing when it is killed. */
export class Killed extends Error {}

/** A disk that lasts over kills of the page. */
export class FakeDisk {
  readonly #root = new FakeFolder('', this);
  /** Bytes that may still be written. */
  free = Infinity;
  /** Writes and flushes until the page is killed. */
  killIn = Infinity;

  get root(): PrivateFolder {
    return this.#root;
  }

  spend(bytes: number): void {
    if (bytes > this.free) throw new DOMException('full', 'QuotaExceededError');
    this.free -= bytes;
  }

  tick(): void {
    if (this.killIn-- <= 0) throw new Killed();
  }

  /** The page is gone: what was not flushed is lost, or torn as `torn` says; every handle is free again. */
  kill(torn: Torn = () => undefined): void {
    this.killIn = Infinity;
    for (const file of this.files()) {
      for (const write of file.pending.splice(0)) {
        const left = torn(write);
        if (!left) continue;
        file.pending = [{ at: write.at, bytes: left }];
        file.length = Math.max(file.safe.byteLength, write.at + left.byteLength);
        file.flush();
      }
      file.length = file.safe.byteLength;
      file.open = false;
    }
  }

  /** Every file by its path. */
  *files(folder: FakeFolder = this.#root): Generator<FakeFile> {
    for (const child of folder.children.values()) {
      if (child instanceof FakeFile) yield child;
      else yield* this.files(child);
    }
  }
}
