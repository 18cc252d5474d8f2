/**
 * Released models for the page: listed with their licences, sizes and memory; fetched with one progress that every tab
 * sees, stopped and gone on with; deleted. The work is done in a worker of its own.
 */
import modelsWorkerUrl from './models-worker.ts?worker&url';
import type { DownloadCheck, KeptModel } from '../../engine/index.ts';
import { AppError } from '../app-error.ts';
import { trustedWorkerUrl } from '../trust/worker-url.ts';
import { DOWNLOADS_CHANNEL } from './models-protocol.ts';
import type {
  DownloadEvent,
  ModelsAnswer,
  ModelsRequest,
  ModelsResults,
  StorageState,
} from './models-protocol.ts';

export type { DownloadCheck, KeptModel } from '../../engine/index.ts';
export type { DownloadEvent, DownloadProgress, StorageState } from './models-protocol.ts';

/** Where models can be fetched from: the hub and a mirror that speaks like it. */
export const HUBS: readonly string[] = ['https://huggingface.co', 'https://hf-mirror.com'];

/** All calls reject with `AppError`; a stopped one has the code `cancelled`. */
export type Models = {
  /** Resolves to all released models and what of each is stored. Needs no network. */
  list(): Promise<readonly KeptModel[]>;
  storage(): Promise<StorageState>;
  /** Asks the browser not to clear this site's storage by itself; resolves to whether it agreed. */
  persist(): Promise<boolean>;
  /** Asks the hub how much is to be fetched, and whether there is space for it. */
  check(id: string, hub?: string): Promise<DownloadCheck>;
  /**
   * Resolves when a model is stored, all hashes compared. Goes on where an earlier one was stopped or cut off; while
   * another tab fetches the same files it waits for that. Codes: `weights/quota`, `weights/hash`, `weights/offline` …
   */
  download(
    id: string,
    options?: { readonly hub?: string; readonly signal?: AbortSignal },
  ): Promise<void>;
  /** Deletes what is stored of a model, but for files that another stored model uses. */
  remove(id: string): Promise<void>;
  /** Calls `listener` for downloads of this and of other tabs; returns a function that ends this. */
  watch(listener: (event: DownloadEvent) => void): () => void;
};

type Waiting = {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: AppError) => void;
};

/** Distributes `Omit` over the kinds of request. */
type Asked<R = ModelsRequest> = R extends unknown ? Omit<R, 'call'> : never;

/** Returns the models of this site; the worker starts with the first call, once `ready`. */
export function openModels(ready: Promise<unknown> = Promise.resolve()): Models {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let last = 0;

  const started = (): Worker => {
    if (worker) return worker;
    const url = trustedWorkerUrl(modelsWorkerUrl);
    worker = new Worker(url, { type: 'module', name: 'models' });
    worker.addEventListener('message', ({ data }: MessageEvent<ModelsAnswer>) => {
      const entry = waiting.get(data.call);
      waiting.delete(data.call);
      if (data.ok) entry?.resolve(data.result);
      else entry?.reject(new AppError(data.failure));
    });
    worker.addEventListener('error', ({ message }) => {
      const failure = { code: 'internal', message: message || 'the worker did not start' };
      for (const { reject } of waiting.values()) reject(new AppError(failure));
      waiting.clear();
    });
    return worker;
  };

  async function ask<T extends keyof ModelsResults>(
    request: Asked & { readonly type: T },
    signal?: AbortSignal,
  ): Promise<ModelsResults[T]> {
    const call = ++last;
    const answer = new Promise<unknown>((resolve, reject) =>
      waiting.set(call, { resolve, reject }),
    );
    await ready;
    started().postMessage({ ...request, call });
    const cancel = (): void => started().postMessage({ type: 'cancel', call });
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    const result = await answer.finally(() => signal?.removeEventListener('abort', cancel));
    return result as ModelsResults[T];
  }

  return {
    list: () => ask({ type: 'list' }),
    storage: () => ask({ type: 'storage' }),
    persist: () => navigator.storage.persist(), // pages may ask, workers may not
    check: (id, hub = HUBS[0] ?? '') => ask({ type: 'check', id, hub }),
    download: (id, { hub = HUBS[0] ?? '', signal } = {}) =>
      ask({ type: 'download', id, hub }, signal),
    remove: (id) => ask({ type: 'remove', id }),
    watch(listener) {
      const channel = new BroadcastChannel(DOWNLOADS_CHANNEL);
      channel.addEventListener('message', ({ data }: MessageEvent<DownloadEvent>) =>
        listener(data),
      );
      return () => channel.close();
    },
  };
}
