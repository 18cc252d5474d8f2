/** Writes checkpoints as torch.save does: protocol 2, a zip with stored entries, data aligned to 64 bytes. */

const text = new TextEncoder();

const join = (parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

const le = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);

/** Pieces of a pickle, as CPython writes them. */
export const op = {
  text: (value: string): Uint8Array => {
    const bytes = text.encode(value);
    return join([[0x58], le(bytes.length, 4), bytes]);
  },
  count: (value: number): Uint8Array =>
    value < 256
      ? join([[0x4b, value]])
      : value < 65536
        ? join([[0x4d], le(value, 2)])
        : join([[0x4a], le(value, 4)]),
  global: (module: string, name: string): Uint8Array => text.encode(`c${module}\n${name}\n`),
  tuple: (items: readonly Uint8Array[]): Uint8Array => join([[0x28], ...items, [0x74]]),
  dictionary: (entries: readonly (readonly [string, Uint8Array])[]): Uint8Array =>
    join([[0x7d, 0x28], ...entries.flatMap(([key, value]) => [op.text(key), value]), [0x75]]),
  call: (callable: Uint8Array, args: Uint8Array): Uint8Array => join([callable, args, [0x52]]),
  pickle: (root: Uint8Array): Uint8Array => join([[0x80, 2], root, [0x2e]]),
};

export type StoredTensor = {
  readonly key: string;
  readonly type: string;
  /** Values in the storage. */
  readonly count: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
};

const denseStrides = (shape: readonly number[]): number[] =>
  shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));

/** A tensor as torch pickles it. */
export function tensorPickle(tensor: StoredTensor): Uint8Array {
  const { key, type, count, offset = 0, shape, strides = denseStrides(shape) } = tensor;
  const id = [op.text('storage'), op.global('torch', type), op.text(key), op.text('cpu')];
  const storage = join([op.tuple([...id, op.count(count)]), [0x51]]);
  const hooks = op.call(op.global('collections', 'OrderedDict'), Uint8Array.of(0x29));
  const args = [storage, op.count(offset), op.tuple(shape.map(op.count))];
  return op.call(
    op.global('torch._utils', '_rebuild_tensor_v2'),
    op.tuple([...args, op.tuple(strides.map(op.count)), Uint8Array.of(0x89), hooks]),
  );
}

export type ArchiveFile = { readonly name: string; readonly data: Uint8Array };

/** A zip of stored files; `wide` writes sizes and offsets as 64-bit fields. */
function zipOf(files: readonly ArchiveFile[], { wide = false, method = 0 } = {}): Uint8Array {
  const body: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, data } of files) {
    const bytes = text.encode(name);
    const pad = (64 - ((at + 30 + bytes.length + 4) % 64)) % 64;
    const fields = [le(0, 4), le(0, 4), le(data.length, 4), le(data.length, 4)];
    const extra = join([text.encode('FB'), le(pad, 2), new Uint8Array(pad)]);
    const local = [le(0x04034b50, 4), le(0, 4), le(method, 2), ...fields, le(bytes.length, 2)];
    const header = join([...local, le(extra.length, 2), bytes, extra]);
    const sizes = wide ? 0xffffffff : data.length;
    const extra64 = [le(1, 2), le(24, 2), le(data.length, 8), le(data.length, 8), le(at, 8)];
    const more = wide ? join(extra64) : new Uint8Array();
    directory.push(
      join([
        ...[le(0x02014b50, 4), le(0, 4), le(0, 2), le(method, 2), le(0, 8), le(sizes, 4)],
        ...[le(sizes, 4), le(bytes.length, 2), le(more.length, 2), le(0, 10)],
        ...[le(wide ? 0xffffffff : at, 4), bytes, more],
      ]),
    );
    body.push(header, data);
    at += header.length + data.length;
  }
  const listing = join(directory);
  const count = files.length;
  const end64 = join([
    ...[le(0x06064b50, 4), le(44, 8), le(0, 12), le(count, 8), le(count, 8)],
    ...[le(listing.length, 8), le(at, 8)],
    ...[le(0x07064b50, 4), le(0, 4), le(at + listing.length, 8), le(1, 4)],
  ]);
  const mark = (value: number, size: number): number[] => le(wide ? 256 ** size - 1 : value, size);
  const end = join([
    ...[le(0x06054b50, 4), le(0, 4), mark(count, 2), mark(count, 2)],
    ...[mark(listing.length, 4), mark(at, 4), le(0, 2)],
  ]);
  return join([...body, listing, ...(wide ? [end64] : []), end]);
}

/** A checkpoint: its pickle, and the bytes of each storage by key. */
export const checkpointOf = (
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>>,
  options: { readonly wide?: boolean; readonly method?: number } = {},
): Uint8Array =>
  zipOf(
    [
      { name: 'model/data.pkl', data: pickle },
      { name: 'model/byteorder', data: text.encode('little') },
      ...Object.entries(storages).map(([key, data]) => ({ name: `model/data/${key}`, data })),
      { name: 'model/version', data: text.encode('3\n') },
    ],
    options,
  );
