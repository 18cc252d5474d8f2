/** Finished videos as files to save, made in a worker of their own so that the page stays smooth. */
import workerUrl from './worker.ts?worker&url';
import { EngineError } from '../../engine/index.ts';
import { decodeSound } from '../sound.ts';
import { openResult } from '../storage/history.ts';
import type { StoredResult } from '../storage/history.ts';
import { trustedWorkerUrl } from '../trust/worker-url.ts';
import type { ExportedFile, ExportFormat, ExportOptions } from './formats.ts';
import type { ExportAnswer, ExportRequest } from './protocol.ts';

/** How an export is watched and stopped. */
export type ExportHooks = {
  readonly signal?: AbortSignal;
  /** Takes the share that is done, 0 … 1. */
  readonly onProgress?: (done: number) => void;
};

/**
 * Resolves to a video of the history, by id or whole, as a file. Throws `storage/missing`, `video/no-encoder`,
 * `video/decode`, `output/format`, or the signal's reason.
 */
export async function exportVideo(
  video: string | StoredResult,
  format: ExportFormat,
  options: ExportOptions & ExportHooks = {},
): Promise<ExportedFile> {
  const { signal, onProgress, ...wishes } = options;
  signal?.throwIfAborted();
  const result = typeof video === 'string' ? await openResult(video) : video;
  const sound = await soundOf(result, format, wishes);
  const worker = new Worker(trustedWorkerUrl(workerUrl), { type: 'module', name: 'export' });
  try {
    return await new Promise<ExportedFile>((resolve, reject) => {
      const failed = (code: string, message: string): void =>
        reject(new EngineError(code, message.replace(/ \([a-z-]+\/[a-z-]+\)$/, '')));
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      worker.addEventListener('error', ({ message }) =>
        failed('internal', message || 'the export did not start'),
      );
      worker.addEventListener('message', ({ data }: MessageEvent<ExportAnswer>) => {
        if (data.type === 'progress') onProgress?.(data.done);
        else if (data.type === 'made') resolve(data.file);
        else failed(data.code, data.message);
      });
      worker.postMessage({ result, format, options: wishes, sound } satisfies ExportRequest);
    });
  } finally {
    worker.terminate();
  }
}

/** The sound of a video that is encoded again, mono at 48 kHz; what runs there and back has none. */
async function soundOf(
  { facts, video }: StoredResult,
  format: ExportFormat,
  { pingPong = false, visibleMark }: ExportOptions,
): Promise<Float32Array | undefined> {
  const isEncoded = format === 'webm' || (format === 'mp4' && visibleMark !== undefined);
  if (!facts.hasSound || pingPong || !isEncoded) return undefined;
  return (await decodeSound(video)).channels[0];
}
