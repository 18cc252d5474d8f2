/** The directory of a zip archive whose entries are stored as they are, with 64-bit sizes, over any byte source. */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';

export type ZipEntry = {
  readonly name: string;
  /** Byte of the archive at which the entry's own header begins; the data follow it. */
  readonly header: number;
  readonly size: number;
};

const END = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 65535;
const LOCATOR = 0x07064b50;
const LOCATOR_BYTES = 20;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const EXTRA64 = 1;
const MISSING = 0xffffffff;

/** Most bytes of a directory that are read: some hundred thousand entries. */
const LARGEST_DIRECTORY = 64 * 2 ** 20;

const refuse = (text: string): EngineError =>
  new EngineError('weights/zip', `archive: ${text} — load the file again`);

async function viewOf(source: ByteSource, start: number, length: number): Promise<DataView> {
  if (!(start >= 0 && length >= 0 && start + length <= source.size))
    throw refuse(`got ${source.size} bytes, needs bytes ${start} to ${start + length}`);
  const bytes = await source.read(start, start + length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function large(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (Number.isSafeInteger(value)) return value;
  throw refuse(`got a size of ${value}`);
}

type Directory = { readonly start: number; readonly bytes: number; readonly entries: number };

async function findDirectory(source: ByteSource): Promise<Directory> {
  const length = Math.min(source.size, END_BYTES + LONGEST_COMMENT);
  const first = source.size - length;
  const tail = await viewOf(source, first, length);
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    const small = {
      entries: tail.getUint16(at + 10, true),
      bytes: tail.getUint32(at + 12, true),
      start: tail.getUint32(at + 16, true),
    };
    const full = small.entries === 0xffff || small.bytes === MISSING || small.start === MISSING;
    return full ? findDirectory64(source, first + at - LOCATOR_BYTES) : small;
  }
  throw refuse('got no directory at the end');
}

async function findDirectory64(source: ByteSource, at: number): Promise<Directory> {
  const locator = await viewOf(source, at, LOCATOR_BYTES);
  if (locator.getUint32(0, true) !== LOCATOR) throw refuse('got no directory of 64-bit sizes');
  const end = await viewOf(source, large(locator, 8), END64_BYTES);
  if (end.getUint32(0, true) !== END64) throw refuse('got a damaged directory of 64-bit sizes');
  return { entries: large(end, 32), bytes: large(end, 40), start: large(end, 48) };
}

/**
 * Resolves to the entries by name. Throws `weights/zip` for an archive that is damaged and `weights/zip-compressed` for
 * entries that are packed or encrypted.
 */
export async function readZipDirectory(source: ByteSource): Promise<ReadonlyMap<string, ZipEntry>> {
  const { start, bytes, entries } = await findDirectory(source);
  if (bytes > LARGEST_DIRECTORY) throw refuse(`got a directory of ${bytes} bytes`);
  const view = await viewOf(source, start, bytes);
  const found = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < entries; i++) {
    if (at + CENTRAL_BYTES > bytes || view.getUint32(at, true) !== CENTRAL)
      throw refuse(`got ${i} entries, needs ${entries}`);
    const lengths = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const next = at + CENTRAL_BYTES + lengths.reduce((a, b) => a + b, 0);
    if (next > bytes) throw refuse('got an entry beyond the directory');
    const entry = readEntry(view, at, lengths[0] ?? 0, lengths[1] ?? 0);
    if (found.has(entry.name)) throw refuse(`got ${entry.name} twice`);
    if (entry.header + LOCAL_BYTES + entry.size > source.size)
      throw refuse(`got ${source.size} bytes, needs more for ${entry.name}`);
    found.set(entry.name, entry);
    at = next;
  }
  return found;
}

function readEntry(view: DataView, at: number, nameBytes: number, extraBytes: number): ZipEntry {
  const text = new Uint8Array(view.buffer, view.byteOffset + at + CENTRAL_BYTES, nameBytes);
  const name = new TextDecoder().decode(text);
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  const encrypted = flags % 2 === 1;
  if (method !== 0 || encrypted) {
    throw new EngineError(
      'weights/zip-compressed',
      `archive: got ${name} ${encrypted ? 'encrypted' : 'compressed'}, needs it stored — save the checkpoint with PyTorch`,
    );
  }
  const sizes = { packed: view.getUint32(at + 20, true), size: view.getUint32(at + 24, true) };
  let [size, header] = [sizes.size, view.getUint32(at + 42, true)];
  let field = at + CENTRAL_BYTES + nameBytes;
  const end = field + extraBytes;
  while (field + 4 <= end) {
    const length = view.getUint16(field + 2, true);
    if (view.getUint16(field, true) === EXTRA64) {
      // Only the values that do not fit above stand here, in this order.
      let value = field + 4;
      const take = (): number => {
        if (value + 8 > Math.min(end, field + 4 + length))
          throw refuse(`got ${name} without its size`);
        value += 8;
        return large(view, value - 8);
      };
      if (size === MISSING) size = take();
      if (sizes.packed === MISSING) take();
      if (header === MISSING) header = take();
    }
    field += 4 + length;
  }
  return { name, header, size };
}

/** Resolves to the first byte of an entry's data, which its own header tells. Throws `weights/zip`. */
export async function dataStart(
  source: ByteSource,
  { name, header, size }: ZipEntry,
): Promise<number> {
  const view = await viewOf(source, header, LOCAL_BYTES);
  if (view.getUint32(0, true) !== LOCAL) throw refuse(`got no header for ${name}`);
  const start = header + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  if (start + size <= source.size) return start;
  throw refuse(`got ${source.size} bytes, needs ${start + size} for ${name}`);
}
