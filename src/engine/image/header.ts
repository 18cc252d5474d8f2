/**
 * What a picture file is and how large, read from its header before anything decodes it: a small file can claim
 * enough pixels to exhaust memory, and a file of another kind should be refused in words.
 */
import { EngineError } from '../gpu/errors.ts';
import { avifHeader } from './avif-header.ts';
import { byteReader } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { bmpHeader, gifHeader, jpegHeader, pngHeader, webpHeader } from './raster-headers.ts';
import type { StoredSize } from './raster-headers.ts';

export type { Orientation } from './exif.ts';

/** Formats that are taken. */
export type PictureFormat = 'png' | 'jpeg' | 'webp' | 'gif' | 'bmp' | 'avif';

/** Size in stored pixels; `orientation` says how to turn them (see `Orientation`). */
export type PictureHeader = StoredSize & { readonly format: PictureFormat };

/** The largest picture that is taken. */
export const PICTURE_LIMITS = {
  bytes: 64 * 2 ** 20,
  pixels: 100_000_000,
  side: 16_384,
} as const;

const headers: Record<PictureFormat, (r: ByteReader, bytes: Uint8Array) => StoredSize> = {
  png: pngHeader,
  jpeg: jpegHeader,
  webp: webpHeader,
  gif: gifHeader,
  bmp: bmpHeader,
  avif: avifHeader,
};

const ACCEPTED = 'PNG, JPEG, WebP, GIF, BMP or AVIF';

/**
 * Returns format, size and orientation of the picture in `bytes`, the whole file. Throws `image/` and: file-size,
 * empty, unknown, svg, unsupported, truncated, damaged, zero-size, side, pixels.
 */
export function readPictureHeader(bytes: Uint8Array): PictureHeader {
  checkPictureBytes(bytes.byteLength);
  const format = formatOf(bytes);
  const size = headers[format](byteReader(bytes), bytes);
  checkPictureSize(size.width, size.height);
  return { format, ...size };
}

/** Throws `image/empty` or `image/file-size` for a file that is not worth reading. */
export function checkPictureBytes(bytes: number): void {
  if (bytes === 0) {
    throw new EngineError(
      'image/empty',
      `picture — got an empty file, needs ${ACCEPTED} — choose another`,
    );
  }
  if (bytes > PICTURE_LIMITS.bytes) {
    throw new EngineError(
      'image/file-size',
      `picture — got a file of ${bytes} bytes, needs ≤ ${PICTURE_LIMITS.bytes} — save it smaller`,
      { have: bytes, need: PICTURE_LIMITS.bytes },
    );
  }
}

/** Throws `image/zero-size`, `image/side` or `image/pixels` for a size that is not taken. */
export function checkPictureSize(width: number, height: number): void {
  const got = `picture — got ${width} × ${height} pixels`;
  if (width === 0 || height === 0) {
    throw new EngineError('image/zero-size', `${got}, needs at least 1 × 1 — choose another`);
  }
  const side = Math.max(width, height);
  if (side > PICTURE_LIMITS.side) {
    throw new EngineError(
      'image/side',
      `${got}, needs sides ≤ ${PICTURE_LIMITS.side} — scale it down`,
      {
        have: side,
        need: PICTURE_LIMITS.side,
      },
    );
  }
  if (width * height > PICTURE_LIMITS.pixels) {
    throw new EngineError(
      'image/pixels',
      `${got}, needs ≤ ${PICTURE_LIMITS.pixels} — scale it down`,
      {
        have: width * height,
        need: PICTURE_LIMITS.pixels,
      },
    );
  }
}

const starts = (bytes: Uint8Array, ...signature: number[]): boolean =>
  signature.every((byte, i) => bytes[i] === byte);

function formatOf(bytes: Uint8Array): PictureFormat {
  const text = String.fromCharCode(...bytes.subarray(0, 512));
  if (starts(bytes, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'png';
  if (starts(bytes, 0xff, 0xd8, 0xff)) return 'jpeg';
  if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return 'webp';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'gif';
  if (text.startsWith('BM') && starts(bytes.subarray(6), 0, 0, 0, 0)) return 'bmp';
  if (text.startsWith('ftyp', 4) && /avif|avis/.test(brandsOf(text))) return 'avif';
  throw refusal(text);
}

/** All brands of the `ftyp` box that `text` starts with. */
function brandsOf(text: string): string {
  const size = text.charCodeAt(2) * 256 + text.charCodeAt(3);
  return text.slice(8, size);
}

/** Files that people take for pictures: a signature, where it stands, and the name to say. */
const OTHERS: readonly (readonly [signature: string, at: number, name: string])[] = [
  ['II*\0', 0, 'TIFF'],
  ['MM\0*', 0, 'TIFF'],
  ['\xff\n', 0, 'JPEG XL'],
  ['JXL ', 4, 'JPEG XL'],
  ['8BPS', 0, 'Photoshop'],
  ['%PDF', 0, 'PDF'],
  ['ftyp', 4, 'video'],
  ['\x1aE\xdf\xa3', 0, 'video'],
];

/** The error for a file that is none of the accepted formats, in the words of what it is. */
function refusal(text: string): EngineError {
  if (/<svg[\s>]/i.test(text)) {
    return new EngineError(
      'image/svg',
      `picture — got an SVG drawing, needs ${ACCEPTED} — export it as PNG`,
    );
  }
  const isHeic = text.startsWith('ftyp', 4) && /hei[cx]/.test(brandsOf(text));
  const name = isHeic ? 'HEIC' : OTHERS.find(([mark, at]) => text.startsWith(mark, at))?.[2];
  if (name) {
    return new EngineError(
      'image/unsupported',
      `picture — got a ${name} file, needs ${ACCEPTED} — save it as PNG or JPEG`,
      { have: name },
    );
  }
  return new EngineError(
    'image/unknown',
    `picture — got a file that is no picture, needs ${ACCEPTED} — choose another`,
  );
}
