/**
 * Size and orientation from the headers of PNG, JPEG, WebP, GIF and BMP files. Each walks its format's own
 * structure to the end of the first picture, so that a file cut short is found before anything decodes it.
 */
import { damaged } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { exifOrientation } from './exif.ts';
import type { Orientation } from './exif.ts';

/** Size in stored pixels, before the orientation is applied. */
export type StoredSize = {
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
};

/** PNG (ISO 15948): signature, then chunks of length · type · data · CRC, the last one IEND. */
export function pngHeader(r: ByteReader): StoredSize {
  if (r.u32(8) !== 13 || r.text(12, 4) !== 'IHDR')
    throw damaged('PNG', 'no IHDR chunk at the start');
  let orientation: Orientation = 1;
  for (let at = 8; ;) {
    const length = r.u32(at);
    const type = r.text(at + 4, 4);
    r.need(at, 12 + length);
    if (type === 'eXIf') orientation = exifOrientation(r, at + 8, length);
    if (type === 'IEND') return { width: r.u32(16), height: r.u32(20), orientation };
    at += 12 + length;
  }
}

/** JPEG (ISO 10918): segments of marker · length · data up to the scan, an end marker somewhere after it. */
export function jpegHeader(r: ByteReader, bytes: Uint8Array): StoredSize {
  let orientation: Orientation = 1;
  let size: { width: number; height: number } | undefined;
  let at = 2;
  for (;;) {
    if (r.u8(at) !== 0xff) throw damaged('JPEG', `no marker at byte ${at}`);
    while (r.u8(at + 1) === 0xff) at++; // fill bytes
    const marker = r.u8(at + 1);
    if (marker === 0xd9) throw damaged('JPEG', 'an end before any picture');
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const length = r.u16(at + 2);
    if (length < 2) throw damaged('JPEG', `a segment of length ${length}`);
    r.need(at + 2, length);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) size ??= { height: r.u16(at + 5), width: r.u16(at + 7) };
    if (marker === 0xe1) orientation = laterOrientation(orientation, r, at + 4, length - 2);
    at += 2 + length;
    if (marker === 0xda) break;
  }
  if (!size) throw damaged('JPEG', 'a scan without a frame');
  for (let mark = bytes.indexOf(0xff, at); ; mark = bytes.indexOf(0xff, mark + 1)) {
    r.need(mark < 0 ? bytes.length : mark, 2);
    if (r.u8(mark + 1) === 0xd9) return { ...size, orientation };
  }
}

/** APP1 holds EXIF or XMP: only EXIF may change the orientation. */
function laterOrientation(
  known: Orientation,
  r: ByteReader,
  start: number,
  length: number,
): Orientation {
  const isExif = length >= 6 && r.text(start, 6) === 'Exif\0\0';
  return isExif ? exifOrientation(r, start, length) : known;
}

/** WebP (RFC 9649): a RIFF of chunks; the first is VP8X with the canvas, or one lossy or lossless picture. */
export function webpHeader(r: ByteReader): StoredSize {
  const end = 8 + r.u32(4, true);
  r.need(0, end);
  const kind = r.text(12, 4);
  const data = 20;
  if (kind === 'VP8 ') {
    if (r.u16(data + 3) !== 0x9d01 || r.u8(data + 5) !== 0x2a)
      throw damaged('WebP', 'no start code');
    const [width, height] = [r.u16(data + 6, true) & 0x3fff, r.u16(data + 8, true) & 0x3fff];
    return { width, height, orientation: 1 };
  }
  if (kind === 'VP8L') {
    if (r.u8(data) !== 0x2f) throw damaged('WebP', 'no signature');
    const bits = r.u32(data + 1, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff), orientation: 1 };
  }
  if (kind !== 'VP8X') throw damaged('WebP', 'an unknown first chunk');
  const [width, height] = [1 + u24(r, data + 4), 1 + u24(r, data + 7)];
  let orientation: Orientation = 1;
  for (let at = 12; at + 8 <= end;) {
    const length = r.u32(at + 4, true);
    if (r.text(at, 4) === 'EXIF') orientation = exifOrientation(r, at + 8, length);
    at += 8 + length + (length % 2);
  }
  return { width, height, orientation };
}

const u24 = (r: ByteReader, at: number): number => r.u16(at, true) + 65536 * r.u8(at + 2);

/** GIF: screen size, then blocks; read up to the end of the first frame. */
export function gifHeader(r: ByteReader): StoredSize {
  const tableBytes = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const afterBlocks = (start: number): number => {
    let at = start;
    while (r.u8(at) !== 0) at += 1 + r.u8(at);
    return at + 1;
  };
  let at = 13 + tableBytes(r.u8(10));
  while (r.u8(at) === 0x21) at = afterBlocks(at + 2);
  if (r.u8(at) !== 0x2c) throw damaged('GIF', 'no picture');
  afterBlocks(at + 11 + tableBytes(r.u8(at + 9)));
  return { width: r.u16(6, true), height: r.u16(8, true), orientation: 1 };
}

/** BMP: file header, then one of two information headers; a negative height means rows from the top. */
export function bmpHeader(r: ByteReader): StoredSize {
  const pixels = r.u32(10, true);
  const header = r.u32(14, true);
  if (header !== 12 && header < 40) throw damaged('BMP', `a header of ${header} bytes`);
  const old = header === 12;
  const width = old ? r.u16(18, true) : r.u32(18, true);
  const height = old ? r.u16(20, true) : Math.abs(r.u32(22, true) | 0);
  const bits = r.u16(old ? 24 : 28, true);
  const compression = old ? 0 : r.u32(30, true);
  const isRaw = compression === 0 || compression === 3;
  r.need(pixels, isRaw ? Math.ceil((width * bits) / 32) * 4 * height : 1);
  return { width, height, orientation: 1 };
}
