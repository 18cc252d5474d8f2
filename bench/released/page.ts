/** The page's side: hands rows to the worker, one at a time, and keeps what it says in between. */
import workerUrl from './worker.ts?worker&url';
import type { ReleasedRow, RowResult } from './run.ts';
import type { Adapter, WorkerAnswer } from './worker.ts';

export type ReleasedBench = {
  /** Opens the device; undefined where there is no WebGPU. */
  open(): Promise<Adapter | undefined>;
  /** Runs a row on the files in the page's input; rejects with what went wrong. */
  run(row: ReleasedRow): Promise<RowResult>;
  /** What the row has told so far, a line for each stage. */
  said(): readonly string[];
  /** Resolves to the bytes a second at which the file at `url`, or the largest picked, reaches the page, and no more. */
  wire(bytes: number, url?: string): Promise<number>;
  /** The same of the browser's own storage; 0 while nothing is kept. */
  disk(bytes: number): Promise<number>;
};

declare global {
  var released: ReleasedBench;
}

const worker = new Worker(workerUrl, { type: 'module', name: 'released' });
let said: string[] = [];

async function ask<T>(request: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const listen = ({ data }: MessageEvent<WorkerAnswer>): void => {
      if (data.type === 'said') {
        said.push(data.text);
        return;
      }
      worker.removeEventListener('message', listen);
      if (data.type === 'failed') reject(new Error(data.text));
      else resolve(data.result as T);
    };
    worker.addEventListener('message', listen);
    worker.postMessage(request);
  });
}

/** The files that the command put into the page's input. */
const picked = (): readonly File[] => [
  ...(document.querySelector<HTMLInputElement>('input')?.files ?? []),
];

globalThis.released = {
  open: () => ask({ type: 'open' }),
  run: (row) => {
    said = [];
    return ask({ type: 'run', row, files: picked() });
  },
  said: () => said,
  wire: (bytes, url) => ask({ type: 'wire', files: picked(), bytes, url }),
  disk: (bytes) => ask({ type: 'disk', bytes }),
};
