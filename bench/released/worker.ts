/** The worker's side: one device for all rows; the browser's storage keeps quantised weights from row to row. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { blobSource } from '../../src/engine/weights/byte-source.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import { readAhead } from '../../src/engine/weights/byte-stream.ts';
import { urlSource } from '../../src/engine/weights/remote-file.ts';
import { browserEnvironment, Store } from '../../src/engine/weights/store.ts';
import type { ReleasedRow } from './run.ts';
import { runRow } from './run.ts';

export type Adapter = Gpu['info'] & { readonly f16: boolean; readonly matrices: boolean };

export type WorkerRequest =
  | { readonly type: 'open' }
  | { readonly type: 'run'; readonly row: ReleasedRow; readonly files: readonly File[] }
  | {
      readonly type: 'wire';
      readonly files: readonly File[];
      readonly url?: string;
      readonly bytes: number;
    }
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

/** Reads the first bytes of a file as weights are read, and does nothing with them. */
async function read(source: ByteSource, most: number): Promise<number> {
  const bytes = Math.min(most, source.size);
  const begun = performance.now();
  for await (const _ of readAhead(source, 0, bytes));
  return (1000 * bytes) / (performance.now() - begun);
}

const largest = <T extends { readonly size: number }>(files: readonly T[]): T | undefined =>
  files.toSorted((a, b) => b.size - a.size)[0];

async function wire(
  files: readonly File[],
  url: string | undefined,
  most: number,
): Promise<number> {
  const file = largest(files);
  const source = url === undefined ? file && blobSource(file) : await urlSource(url);
  return source ? read(source, most) : 0;
}

/** The same of what is kept in the browser's storage. */
async function disk(store: Store, most: number): Promise<number> {
  const kept = largest(await store.list());
  const source = kept && (await store.open(kept.key));
  return source ? read(source, most) : 0;
}

async function handle(request: WorkerRequest): Promise<unknown> {
  if (request.type === 'open') return open();
  if (request.type === 'wire') return wire(request.files, request.url, request.bytes);
  const store = new Store(await browserEnvironment('released'));
  if (request.type === 'disk') return disk(store, request.bytes);
  return runRow(await device(), store, request.row, request.files, (text) =>
    answer({ type: 'said', text }),
  );
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
