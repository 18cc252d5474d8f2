/** Keeps released models in the browser's storage, beside the engine's worker, so that a download never waits for a run. */
import {
  browserEnvironment,
  EngineError,
  isFullStorage,
  Library,
  Store,
} from '../../engine/index.ts';
import catalog from '../../../weights/catalog.json' with { type: 'json' };
import { DOWNLOADS_CHANNEL } from './models-protocol.ts';
import type {
  DownloadEvent,
  ModelFailure,
  ModelsAnswer,
  ModelsRequest,
} from './models-protocol.ts';
import { Speed } from './speed.ts';

const running = new Map<number, AbortController>();
const channel = new BroadcastChannel(DOWNLOADS_CHANNEL);

/** Progress is told at most this often. */
const TOLD_EVERY_MS = 200;

let opened: Promise<Library> | undefined;

function library(): Promise<Library> {
  opened ??= browserEnvironment().then(
    (environment) => new Library(catalog, new Store(environment)),
  );
  // A failure is not kept: storage may be allowed later.
  opened.catch(() => (opened = undefined));
  return opened;
}

async function download(id: string, host: string, signal: AbortSignal): Promise<void> {
  const tell = (event: DownloadEvent): void => channel.postMessage(event);
  const speed = new Speed();
  let toldAt = -Infinity;
  const models = await library();
  try {
    await models.download(id, {
      ...{ host, signal },
      onProgress: ({ bytes, totalBytes, file }) => {
        const now = performance.now();
        const bytesPerSecond = speed.at(now, bytes);
        if (now - toldAt < TOLD_EVERY_MS && bytes < totalBytes) return;
        toldAt = now;
        const left = (totalBytes - bytes) / bytesPerSecond;
        const leftMs = Number.isFinite(left) ? 1000 * left : undefined;
        tell({ type: 'progress', id, bytes, totalBytes, file, bytesPerSecond, leftMs });
      },
    });
    tell({ type: 'ended', id, failure: undefined });
  } catch (error) {
    tell({ type: 'ended', id, failure: failureOf(error) });
    throw error;
  }
}

async function storage() {
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  const persisted = await navigator.storage.persisted();
  return { usedBytes: usage, freeBytes: Math.max(0, quota - usage), persisted };
}

async function run(request: ModelsRequest, signal: AbortSignal): Promise<unknown> {
  switch (request.type) {
    case 'list':
      return (await library()).list();
    case 'storage':
      return storage();
    case 'check':
      return (await library()).check(request.id, { host: request.hub, signal });
    case 'download':
      return download(request.id, request.hub, signal);
    case 'remove':
      return (await library()).remove(request.id);
    case 'cancel':
      return undefined;
  }
}

function failureOf(error: unknown): ModelFailure {
  if (error instanceof EngineError) return { code: error.code, message: error.message };
  if (error instanceof DOMException && error.name === 'AbortError')
    return { code: 'cancelled', message: 'cancelled' };
  if (isFullStorage(error)) return { code: 'weights/quota', message: String(error) };
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

async function handle(request: ModelsRequest): Promise<void> {
  const { call } = request;
  if (request.type === 'cancel') {
    running.get(call)?.abort();
    return;
  }
  const abort = new AbortController();
  running.set(call, abort);
  try {
    const result = await run(request, abort.signal);
    postMessage({ call, ok: true, result } satisfies ModelsAnswer);
  } catch (error) {
    postMessage({ call, ok: false, failure: failureOf(error) } satisfies ModelsAnswer);
  } finally {
    running.delete(call);
  }
}

addEventListener('message', ({ data }: MessageEvent<ModelsRequest>) => void handle(data));
