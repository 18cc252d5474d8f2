/** The export's worker: makes one file and is then ended. */
import { EngineError } from '../../engine/index.ts';
import { makeFile } from './make-file.ts';
import type { ExportAnswer, ExportRequest } from './protocol.ts';

const answer = (message: ExportAnswer): void => postMessage(message);

async function make({ result, format, options, sound }: ExportRequest): Promise<void> {
  try {
    const onProgress = (done: number): void => answer({ type: 'progress', done });
    answer({ type: 'made', file: await makeFile(result, format, options, onProgress, sound) });
  } catch (error) {
    const code = error instanceof EngineError ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    answer({ type: 'failed', code, message });
  }
}

addEventListener('message', ({ data }: MessageEvent<ExportRequest>) => void make(data));
