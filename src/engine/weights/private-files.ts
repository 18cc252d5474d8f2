/**
 * What is used of a browser's private file system (OPFS) inside a worker. Spelled out here because the types of pages
 * leave the synchronous half away, and so that tests can put a disk with faults in its place.
 */

/** A file opened for writing; nobody else can open it until `close`. */
export type SyncFile = {
  getSize(): number;
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(length: number): void;
  flush(): void;
  close(): void;
};

export type PrivateFile = {
  readonly kind: 'file';
  /** Several may be open to be read only, where the browser knows the mode; else one at a time. */
  createSyncAccessHandle(options?: { readonly mode: 'read-only' }): Promise<SyncFile>;
  getFile(): Promise<Blob>;
};

export type PrivateFolder = {
  readonly kind: 'directory';
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<PrivateFile>;
  getDirectoryHandle(name: string, options?: { readonly create?: boolean }): Promise<PrivateFolder>;
  removeEntry(name: string, options?: { readonly recursive?: boolean }): Promise<void>;
  entries(): AsyncIterable<readonly [string, PrivateFile | PrivateFolder]>;
};
