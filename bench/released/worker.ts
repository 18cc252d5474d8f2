/** The worker's side: one device for all rows; the browser's storage keeps quantised weights from row to row. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { browserEnvironment, Store } from '../../src/engine/weights/store.ts';
import type { ReleasedRow } from './run.ts';
import { runRow } from './run.ts';

export type Adapter = Gpu['info'] & { readonly f16: boolean; readonly matrices: boolean };

export type WorkerRequest =
  | { readonly type: 'open' }
  | { readonly type: 'run'; readonly row: ReleasedRow }
  | { readonly type: 'wire'; readonly url: string; readonly bytes: number }
  | { readonly type: 'disk'; readonly bytes: number };

export type WorkerAnswer =
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'said'; readonly text: string }
  | { readonly type: 'failed'; readonly text: string };

const answer = (message: WorkerAnswer): void => postMessage(message);

let opened: Promise<Gpu> | undefined;
const device = (): Promise<Gpu> => (opened ??= openDevice({ gpu: navigator.gpu }));

async function open(): Promise<Adapter> {
  const { info, caps } = await device();
  return { ...info, f16: caps.f16, matrices: caps.subgroupMatrix.length > 0 };
}

/** Reads a file in pieces as weights are read, and does nothing with them. */
async function wire(url: string, bytes: number): Promise<number> {
  const PIECE = 4 * 2 ** 20;
  const begun = performance.now();
  for (let at = 0; at < bytes; at += PIECE) {
    const last = Math.min(bytes, at + PIECE) - 1;
    const response = await fetch(url, { headers: { Range: `bytes=${at}-${last}` } });
    await response.arrayBuffer();
  }
  return (1000 * bytes) / (performance.now() - begun);
}

/** Reads the largest kept file likewise. */
async function disk(store: Store, most: number): Promise<number> {
  const [largest] = [...(await store.list())].sort((a, b) => b.size - a.size);
  const source = largest && (await store.open(largest.key));
  if (!source) return 0;
  const PIECE = 16 * 2 ** 20;
  const bytes = Math.min(most, source.size);
  const begun = performance.now();
  for (let at = 0; at < bytes; at += PIECE) await source.read(at, Math.min(bytes, at + PIECE));
  return (1000 * bytes) / (performance.now() - begun);
}

async function handle(request: WorkerRequest): Promise<unknown> {
  if (request.type === 'open') return open();
  if (request.type === 'wire') return wire(request.url, request.bytes);
  const store = new Store(await browserEnvironment('released'));
  if (request.type === 'disk') return disk(store, request.bytes);
  return runRow(await device(), store, request.row, (text) => answer({ type: 'said', text }));
}

addEventListener('message', ({ data }: MessageEvent<WorkerRequest>) => {
  handle(data).then(
    (result) => answer({ type: 'done', result }),
    (error: unknown) =>
      answer({
        type: 'failed',
        text: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  );
});
