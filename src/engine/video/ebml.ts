/** Elements of EBML files (RFC 8794), the structure of WebM: id · size · content, read with every bound checked. */
import { damaged } from './damaged.ts';
import { joined } from './mp4-boxes.ts';

export type EbmlElement = {
  /** With its length marker, as the standards print it, e.g. 0x18538067. */
  readonly id: number;
  /** First byte of the element, of its content, and the one after it. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
};

/** Returns the error for a file whose structure makes no sense. */
export const damagedWebm = damaged('WebM');

/** Length in bytes of the variable-length number that begins with `first`: one more than its leading zeros. */
const lengthOf = (first: number): number => Math.clz32(first) - 23;

/** Reads a number of up to `most` bytes, with or without its length marker. */
function variable(bytes: Uint8Array, at: number, most: number, keepMarker: boolean) {
  const first = bytes[at] ?? 0;
  const length = lengthOf(first);
  if (length > most || at + length > bytes.byteLength) {
    throw damagedWebm(`no number at byte ${at}`);
  }
  let value = keepMarker ? first : first & (0xff >> length);
  let unknown = value === 0xff >> length;
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i] ?? 0;
    value = value * 256 + byte;
    unknown &&= byte === 0xff;
  }
  return { value, length, unknown };
}

/** Returns the elements between two positions; one of unknown size ends with its parent. Throws `video/damaged`. */
export function ebmlElements(bytes: Uint8Array, from = 0, to = bytes.byteLength): EbmlElement[] {
  const found: EbmlElement[] = [];
  for (let at = from; at < to;) {
    const id = variable(bytes, at, 4, true);
    const size = variable(bytes, at + id.length, 8, false);
    const start = at + id.length + size.length;
    const end = size.unknown ? to : start + size.value;
    if (end > to) throw damagedWebm(`an element of ${size.value} bytes at ${at}`);
    found.push({ id: id.value, at, start, end });
    at = end;
  }
  return found;
}

/** Returns an element of the given content; its size takes eight bytes. */
export function ebmlElement(
  id: number,
  ...content: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const size = content.reduce((sum, part) => sum + part.byteLength, 0);
  const head: number[] = [];
  for (let shift = 24; shift >= 0; shift -= 8) {
    const byte = (id >>> shift) & 0xff;
    if (head.length > 0 || byte !== 0) head.push(byte);
  }
  return joined(Uint8Array.from(head), Uint8Array.of(0x01), unsigned(size, 7), ...content);
}

/** Returns a number in `length` bytes, the highest first. */
export function unsigned(value: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) {
    bytes[i] = rest % 256;
  }
  return bytes;
}
