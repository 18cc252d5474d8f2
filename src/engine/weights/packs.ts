/**
 * Weights kept as they lie on the device, quantised and in order, so that the next start only copies: a pack for each load
 * of a model's part.
 */
import { bytesOf } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import type { ByteSource } from './byte-source.ts';
import { hexOf } from './sha256.ts';
import { digestOf, isFullStorage, noSpace } from './store.ts';
import type { Store } from './store.ts';
import { placeBytes } from './weight-memory.ts';

export type Packs = {
  /** Resolves to a kept pack; undefined when there is none. */
  open(name: string): Promise<ByteSource | undefined>;
  /** Keeps a pack of `size` bytes. Throws `weights/quota`. */
  keep(name: string, size: number, pieces: AsyncIterable<Uint8Array<ArrayBuffer>>): Promise<void>;
  /** Told when a pack cannot be kept or read; the run goes on without it. */
  onError(error: unknown): void;
};

const CHUNK_BYTES = 8 * 2 ** 20;

/** Resolves to a name that only weights of these keys, shapes and types have, in this order. */
export async function packName(tensors: readonly Tensor[]): Promise<string> {
  const listed = tensors.map((tensor) => {
    const { label, shape, dtype, graph } = tensor;
    const scales = graph.scales(tensor);
    return [label, dtype, ...shape, ...(scales ? scales.shape : [])].join(' ');
  });
  return hexOf(await digestOf(new TextEncoder().encode(listed.join('\n')))).slice(0, 32);
}

/** Where a weight, or its scales, lie in a pack. */
export type PackSpan = { readonly start: number; readonly end: number };

/** Returns the spans of weights and of scales in a pack of `tensors`, by label. */
export function packSpans(tensors: readonly Tensor[]): ReadonlyMap<string, PackSpan> {
  const spans = new Map<string, PackSpan>();
  let start = 0;
  for (const tensor of tensors) {
    const scales = tensor.graph.scales(tensor);
    for (const { label, shape, dtype } of scales ? [tensor, scales] : [tensor]) {
      const size = bytesOf(shape, dtype);
      spans.set(label, { start, end: start + size });
      start += placeBytes(size);
    }
  }
  return spans;
}

/** Bytes of a pack of `tensors`. */
export const packBytes = (tensors: readonly Tensor[]): number =>
  placeBytes(Math.max(0, ...[...packSpans(tensors).values()].map(({ end }) => end)));

/** Returns the packs of a model's part in the browser's storage; `part` names the files that they are made from. */
export function storedPacks(
  store: Store,
  part: string,
  onError: (error: unknown) => void = () => undefined,
): Packs {
  const keyOf = (name: string): string => `${part}#${name}`;
  return {
    onError,
    open: (name) => store.open(keyOf(name)),
    keep: (name, size, pieces) =>
      store.alone(keyOf(name), undefined, async () => {
        // Another run may have been quicker, and read from it by now; what is damaged is written again.
        const known = await store.open(keyOf(name)).catch(() => undefined);
        if (known?.size === size) return;
        await saveFile(store, keyOf(name), size, pieces);
      }),
  };
}

/** Stores a file whose bytes come in order. To be called inside `alone`. Throws `weights/quota`. */
export async function saveFile(
  store: Store,
  key: string,
  size: number,
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<void> {
  await store.checkSpace(size);
  const { data, journal, close } = await store.write({ key, size, chunkBytes: CHUNK_BYTES });
  const chunk = new Uint8Array(Math.min(size, CHUNK_BYTES));
  let [index, filled] = [0, 0];
  const flush = async (): Promise<void> => {
    const bytes = chunk.subarray(0, filled);
    const digest = digestOf(bytes); // while it is written
    data.write(bytes, { at: index * CHUNK_BYTES });
    data.flush();
    journal.stored(index, await digest);
    index += 1;
    filled = 0;
  };
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.byteLength;) {
        const taken = piece.subarray(at, at + chunk.byteLength - filled);
        chunk.set(taken, filled);
        filled += taken.byteLength;
        at += taken.byteLength;
        if (filled === chunk.byteLength) await flush();
      }
    }
    if (filled > 0) await flush();
    journal.finish();
  } catch (error) {
    throw isFullStorage(error) ? noSpace(await store.environment.freeBytes(), size) : error;
  } finally {
    close();
  }
}
