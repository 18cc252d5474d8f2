/** Whether a picture file holds more than one picture: animations of GIF, PNG, WebP and AVIF. */
import { byteReader } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import type { PictureFormat } from './header.ts';

/**
 * Returns whether a file that `readPictureHeader` took is an animation. A file cut short behind its first picture counts as
 * one where another picture begins.
 */
export function isMovingPicture(bytes: Uint8Array, format: PictureFormat): boolean {
  const r = byteReader(bytes);
  if (format === 'gif') return hasSecondFrame(r);
  if (format === 'webp') return r.text(12, 4) === 'VP8X' && (r.u8(20) & 2) !== 0;
  if (format === 'png') return hasControlChunk(r);
  return format === 'avif' && r.length >= 12 && r.text(8, 4) === 'avis';
}

/** PNG: an `acTL` chunk in front of the pixels. */
function hasControlChunk(r: ByteReader): boolean {
  for (let at = 8; at + 12 <= r.length; at += 12 + r.u32(at)) {
    const type = r.text(at + 4, 4);
    if (type === 'acTL') return true;
    if (type === 'IDAT') return false;
  }
  return false;
}

/** GIF: blocks of the format until a second image descriptor. */
function hasSecondFrame(r: ByteReader): boolean {
  const tableBytes = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let frames = 0;
  for (let at = 13 + tableBytes(r.u8(10)); at + 10 <= r.length;) {
    const kind = r.u8(at);
    if (kind === 0x2c && ++frames === 2) return true;
    if (kind !== 0x2c && kind !== 0x21) return false;
    at = kind === 0x21 ? at + 2 : at + 11 + tableBytes(r.u8(at + 9));
    while (at < r.length && r.u8(at) !== 0) at += 1 + r.u8(at);
    at++;
  }
  return false;
}
