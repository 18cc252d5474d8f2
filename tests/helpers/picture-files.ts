/** Picture files made byte by byte for tests: orientations, animations, sizes that no small file should have. */
import { pngOf } from '../../scripts/lib/png.ts';

type Colour = readonly [red: number, green: number, blue: number];

/** Returns a PNG whose colour at a pixel is that of `at`, 0 … 1. */
export function pngFile(
  width: number,
  height: number,
  at: (x: number, y: number) => Colour,
): Uint8Array<ArrayBuffer> {
  const data = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i++) data.set(at(i % width, Math.floor(i / width)), 3 * i);
  return pngOf({ width, height, channels: 3, data });
}

/** Returns a JPEG with an EXIF block that tells an orientation. */
export function withOrientation(jpeg: Uint8Array, orientation: number): Uint8Array<ArrayBuffer> {
  const entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
  const tiff = [0x4d, 0x4d, 0, 0x2a, 0, 0, 0, 8, 0, 1, ...entry, 0, 0, 0, 0];
  const exif = [...new TextEncoder().encode('Exif\0\0'), ...tiff];
  const segment = [0xff, 0xe1, 0, exif.length + 2, ...exif];
  return Uint8Array.of(...jpeg.subarray(0, 2), ...segment, ...jpeg.subarray(2));
}

const u24 = (value: number): number[] => [value & 255, (value >> 8) & 255, value >> 16];
const u32 = (value: number): number[] => [...u24(value & 0xffffff), value >>> 24];

/** Returns an animated WebP with the one picture of a still, lossless file twice. */
export function movingWebp(
  still: Uint8Array,
  width: number,
  height: number,
): Uint8Array<ArrayBuffer> {
  const chunk = (type: string, content: readonly number[]): number[] => [
    ...new TextEncoder().encode(type),
    ...u32(content.length),
    ...content,
    ...(content.length % 2 ? [0] : []),
  ];
  const size = [...u24(width - 1), ...u24(height - 1)];
  const frame = chunk('ANMF', [
    ...u24(0),
    ...u24(0),
    ...size,
    ...u24(100),
    0,
    ...still.subarray(12),
  ]);
  const canvas = chunk('VP8X', [0x02, 0, 0, 0, ...size]);
  const timing = chunk('ANIM', [255, 255, 255, 255, 0, 0]);
  const content = [...new TextEncoder().encode('WEBP'), ...canvas, ...timing, ...frame, ...frame];
  return Uint8Array.from(chunk('RIFF', content));
}
