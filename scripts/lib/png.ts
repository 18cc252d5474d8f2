/** Writes pictures as PNG: 8 bits a channel, RGB, no filter. PNG specification, third edition. */
import { crc32, deflateSync } from 'node:zlib';
import type { Raster } from '../../src/engine/image/resize.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const DEPTH = 8;
const RGB = 2;

/** Returns the file of an RGB picture with values in 0 … 1. */
export function pngOf({ width, height, data }: Raster): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([DEPTH, RGB], 8);
  const rows = Buffer.alloc(height * (1 + 3 * width)); // a filter byte before each row: 0, none
  for (let i = 0; i < height * width * 3; i++) {
    const row = Math.floor(i / (3 * width));
    rows[i + row + 1] = Math.round(255 * Math.min(1, Math.max(0, data[i] ?? 0)));
  }
  const chunks = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return Uint8Array.from(Buffer.concat([SIGNATURE, ...chunks]));
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
