/** Builds GGUF files byte by byte, right and wrong ones. */

type EntryValue = string | number | readonly string[] | { type: number; nested?: number };

export type GgufParts = {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
  /** Told length of the key of an extra first entry. */
  readonly keyLength?: bigint;
  readonly entries?: readonly (readonly [key: string, value: EntryValue])[];
  readonly tensors: readonly {
    readonly name: string | Uint8Array;
    /** Fastest first, as GGUF has them. */
    readonly axes: readonly number[];
    readonly type: number;
    readonly offset: number;
    /** Bytes of data that are really there. */
    readonly bytes: number;
  }[];
};

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: bigint | number): Uint8Array =>
  new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string | Uint8Array): Uint8Array[] => {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return [u64(bytes.byteLength), bytes];
};

function entry(value: EntryValue): Uint8Array[] {
  if (typeof value === 'string') return [u32(8), ...text(value)];
  if (typeof value === 'number') return [u32(4), u32(value)];
  if ('type' in value) {
    const nested = Array.from({ length: value.nested ?? 0 }, () => [u32(9), u64(1)]).flat();
    return [u32(value.type), ...nested];
  }
  return [u32(9), u32(8), u64(value.length), ...value.flatMap(text)];
}

/** Returns the file that `parts` describe. */
export function ggufFile(parts: GgufParts): Uint8Array {
  const { tensors, entries = [] } = parts;
  const extra = parts.keyLength === undefined ? [] : [u64(parts.keyLength)];
  const header = Buffer.concat([
    new TextEncoder().encode(parts.magic ?? 'GGUF'),
    u32(parts.version ?? 3),
    u64(parts.tensorCount ?? tensors.length),
    u64(parts.entryCount ?? entries.length + extra.length),
    ...extra,
    ...entries.flatMap(([key, value]) => [...text(key), ...entry(value)]),
    ...tensors.flatMap(({ name, axes, type, offset }) => [
      ...text(name),
      u32(axes.length),
      ...axes.map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  const start = Math.ceil(header.byteLength / 32) * 32;
  const end = Math.max(
    0,
    ...tensors.map(({ offset, bytes }) => (offset < 2 ** 20 ? offset : 0) + bytes),
  );
  return Buffer.concat([header, Buffer.alloc(start - header.byteLength + end)]);
}
