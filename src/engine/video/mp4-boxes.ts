/** The box structure of MP4 files (ISO 14496-12): size · type · content, read with every bound checked. */
import { damaged } from './damaged.ts';

export type Mp4Box = {
  /** Four Latin-1 characters. */
  readonly type: string;
  /** First byte of the box, of its content, and the one after it. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
};

/** Returns the error for a file whose structure makes no sense. */
export const damagedMp4 = damaged('MP4');

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Returns the number at `at`. Throws `video/damaged` past the end. */
export function u32At(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.byteLength)
    throw damagedMp4(`${bytes.byteLength} bytes where ${at + 4} are told of`);
  return viewOf(bytes).getUint32(at);
}

/** Writes a number at `at`. Throws `video/damaged` past the end. */
export function setU32At(bytes: Uint8Array, at: number, value: number): void {
  if (at + 4 > bytes.byteLength)
    throw damagedMp4(`${bytes.byteLength} bytes where ${at + 4} are told of`);
  viewOf(bytes).setUint32(at, value);
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Returns the boxes that lie between two positions. Throws `video/damaged` for one that does not fit. */
export function mp4Boxes(bytes: Uint8Array, from = 0, to = bytes.byteLength): Mp4Box[] {
  const found: Mp4Box[] = [];
  for (let at = from; at + 8 <= to;) {
    const short = u32At(bytes, at);
    const long = short === 1;
    const size = long
      ? u32At(bytes, at + 8) * 2 ** 32 + u32At(bytes, at + 12)
      : short === 0
        ? to - at
        : short;
    const start = at + (long ? 16 : 8);
    if (at + size < start || at + size > to) throw damagedMp4(`a box of ${size} bytes at ${at}`);
    found.push({ type: latin1(bytes.subarray(at + 4, at + 8)), at, start, end: at + size });
    at += size;
  }
  return found;
}

/** Returns the boxes found along a path of types; every box of each type is followed. */
export function boxesAt(bytes: Uint8Array, path: readonly string[], within?: Mp4Box): Mp4Box[] {
  const [type, ...rest] = path;
  const here = mp4Boxes(bytes, within?.start, within?.end).filter((box) => box.type === type);
  return rest.length === 0 ? here : here.flatMap((box) => boxesAt(bytes, rest, box));
}

/** Returns a box of the given type and content. */
export function mp4Box(type: string, ...content: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(8);
  const size = content.reduce((sum, part) => sum + part.byteLength, 8);
  viewOf(head).setUint32(0, size);
  for (let i = 0; i < 4; i++) head[4 + i] = type.charCodeAt(i);
  return joined(head, ...content);
}

/** Returns all parts in one array. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
