/** A worker that loads a file into the browser's storage, as a page's worker does, and tells how it went. */
import { download } from '../../src/engine/weights/download.ts';
import { openRemote } from '../../src/engine/weights/remote-file.ts';
import { browserEnvironment, Store } from '../../src/engine/weights/store.ts';
import { Sha256, hexOf } from '../../src/engine/weights/sha256.ts';

export type StoreJob = {
  readonly url: string;
  readonly key: string;
  readonly sha256: string;
  readonly chunkBytes: number;
};

export type StoreAnswer =
  | { readonly kind: 'progress'; readonly bytes: number }
  | {
      readonly kind: 'done';
      readonly sha256: string;
      readonly size: number;
      readonly readMs: number;
    }
  | { readonly kind: 'failed'; readonly code: string; readonly text: string };

const answer = (message: StoreAnswer): void => postMessage(message);

onmessage = async ({ data: { url, key, sha256, chunkBytes } }: MessageEvent<StoreJob>) => {
  try {
    const store = new Store(await browserEnvironment('test'));
    const file = await download(store, key, () => openRemote(url), {
      ...{ sha256, chunkBytes },
      onProgress: (bytes) => answer({ kind: 'progress', bytes }),
    });
    const hash = new Sha256();
    let readMs = 0;
    for (let at = 0; at < file.size; at += 2 ** 22) {
      const start = performance.now();
      const piece = await file.read(at, Math.min(file.size, at + 2 ** 22));
      readMs += performance.now() - start;
      hash.update(piece);
    }
    answer({ kind: 'done', sha256: hexOf(hash.digest()), size: file.size, readMs });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'untyped';
    answer({ kind: 'failed', code, text: String(error) });
  }
};
