/**
 * PyTorch checkpoints (`.ckpt`, `.pt`, `.pth`): a zip archive with one pickle and a file for each storage. Their tensors
 * are read like those of safetensors files, storage by storage; nothing in the pickle is executed.
 */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { checkRange, roomFor } from './byte-source.ts';
import { bytesOfDtype } from './dtype.ts';
import { readPickle } from './pickle.ts';
import type { PickleValue } from './pickle-values.ts';
import { PickleTensor, refusePickle } from './pickle-values.ts';
import type { WeightFile } from './safetensors.ts';
import type { TensorInfo } from './safetensors-header.ts';
import { HEADER_LIMITS } from './safetensors-header.ts';
import type { HeaderLimits } from './safetensors-header.ts';
import type { ZipEntry } from './zip-directory.ts';
import { dataStart, readZipDirectory } from './zip-directory.ts';

/** Largest pickle that is read: those of models with thousands of tensors take half a megabyte. */
const LARGEST_PICKLE = 64 * 2 ** 20;

/** What DeepSpeed puts before every name. */
const WRAPPED = '_forward_module.';

/** Where the dictionary of tensors stands in a training run's checkpoint. */
const HOLDERS = ['state_dict', 'module'] as const;

/**
 * Returns the checked table of contents of a checkpoint. Throws `weights/zip`, `weights/zip-compressed`,
 * `weights/pickle` and `weights/pickle-code`: for archives and pickles that are damaged, packed or hold code.
 */
export async function openCheckpoint(
  source: ByteSource,
  limits: HeaderLimits = HEADER_LIMITS,
): Promise<WeightFile> {
  const entries = await readZipDirectory(source);
  const pickle = [...entries.keys()].find((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  const entry = pickle === undefined ? undefined : entries.get(pickle);
  if (pickle === undefined || !entry)
    throw refusePickle('pickle', 'got an archive without data.pkl');
  if (entry.size > LARGEST_PICKLE)
    throw refusePickle(
      'pickle',
      `got a pickle of ${entry.size} bytes, needs ${LARGEST_PICKLE} at most`,
    );
  const folder = pickle.slice(0, -'data.pkl'.length);
  await checkByteOrder(source, entries.get(`${folder}byteorder`));
  const start = await dataStart(source, entry);
  const root = readPickle(await source.read(start, start + entry.size));
  const storages = new StorageFiles(source, entries, `${folder}data/`);
  const tensors = new Map<string, TensorInfo>();
  for (const [name, tensor] of namedTensors(root)) {
    if (name.length > limits.nameLength || tensor.shape.length > limits.rank)
      throw refusePickle(
        'pickle',
        `got a tensor [${tensor.shape.join(', ')}] with a name of ${name.length}`,
      );
    if (tensors.size >= limits.tensors)
      throw refusePickle('pickle', `got more than ${limits.tensors} tensors`);
    tensors.set(name, storages.place(name, tensor));
  }
  return { tensors, source: storages };
}

async function checkByteOrder(source: ByteSource, entry: ZipEntry | undefined): Promise<void> {
  if (!entry || entry.size > 16) return;
  const start = await dataStart(source, entry);
  const order = new TextDecoder().decode(await source.read(start, start + entry.size));
  if (order !== 'little')
    throw refusePickle('pickle', `got values in ${order}-endian order, needs little`);
}

/** The tensors of a state dictionary, or of the one that stands under `state_dict` or `module`. */
function namedTensors(root: PickleValue): [string, PickleTensor][] {
  if (!(root instanceof Map)) throw refusePickle('pickle', 'got no dictionary');
  const inner = HOLDERS.map((key) => root.get(key)).find((value) => value instanceof Map);
  const dictionary = inner instanceof Map ? inner : root;
  const found: [string, PickleTensor][] = [];
  for (const [key, value] of dictionary) {
    if (typeof key !== 'string' || !(value instanceof PickleTensor)) continue;
    found.push([key.startsWith(WRAPPED) ? key.slice(WRAPPED.length) : key, value]);
  }
  if (found.length === 0) throw refusePickle('pickle', 'got a dictionary without tensors');
  return found;
}

type Placed = {
  readonly entry: ZipEntry;
  readonly base: number;
  start: Promise<number> | undefined;
};

const endOf = ({ base, entry }: Placed): number => base + entry.size;

/** The storages of an archive as one file, end to end; where each lies is looked up when it is first read. */
class StorageFiles implements ByteSource {
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #folder: string;
  readonly #placed = new Map<string, Placed>();
  readonly #inOrder: Placed[] = [];
  #size = 0;

  constructor(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>, folder: string) {
    this.#source = source;
    this.#entries = entries;
    this.#folder = folder;
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the entry of a tensor. Throws `weights/pickle` when its storage is missing or of another size. */
  place(name: string, { storage, offset, shape }: PickleTensor): TensorInfo {
    const { key, dtype, count } = storage;
    const width = bytesOfDtype(dtype);
    const placed = this.#placed.get(key) ?? this.#add(key);
    if (placed.entry.size !== count * width) {
      throw refusePickle(
        'pickle',
        `got ${placed.entry.size} bytes for storage ${key}, needs ${count * width}`,
      );
    }
    const start = placed.base + offset * width;
    const end = start + shape.reduce((a, b) => a * b, 1) * width;
    return { name, dtype, shape, start, end };
  }

  async read(start: number, end: number, memory?: ArrayBuffer): Promise<Uint8Array> {
    checkRange(start, end, this.#size);
    if (start === end) return new Uint8Array();
    const only = this.#at(start);
    if (end <= endOf(only)) return this.#readPart(only, start, end, memory);
    const bytes = roomFor(end - start, memory);
    const parts: Promise<void>[] = [];
    for (let at = start; at < end;) {
      const [placed, from] = [this.#at(at), at - start];
      const stop = Math.min(end, endOf(placed));
      parts.push(this.#readPart(placed, at, stop).then((part) => bytes.set(part, from)));
      at = stop;
    }
    await Promise.all(parts);
    return bytes;
  }

  async #readPart(
    placed: Placed,
    start: number,
    end: number,
    memory?: ArrayBuffer,
  ): Promise<Uint8Array> {
    placed.start ??= dataStart(this.#source, placed.entry);
    const shift = (await placed.start) - placed.base;
    return this.#source.read(start + shift, end + shift, memory);
  }

  #add(key: string): Placed {
    const entry = this.#entries.get(this.#folder + key);
    if (!entry) throw refusePickle('pickle', `got an archive without storage ${key}`);
    const placed: Placed = { entry, base: this.#size, start: undefined };
    this.#placed.set(key, placed);
    this.#inOrder.push(placed);
    this.#size += entry.size;
    return placed;
  }

  /** The storage that holds a byte. */
  #at(byte: number): Placed {
    let [low, high] = [0, this.#inOrder.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#inOrder[middle]?.base ?? 0) <= byte) low = middle;
      else high = middle - 1;
    }
    const found = this.#inOrder[low];
    if (found) return found;
    throw new EngineError('weights/read', `byte ${byte} — got no storage there`);
  }
}
