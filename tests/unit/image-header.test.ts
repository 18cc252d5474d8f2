import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { checkPictureSize, readPictureHeader } from '../../src/engine/image/header.ts';
import { chance } from '../helpers/chance.ts';

// Tiny pictures written by Pillow and avifenc; "turned" ones carry orientation 6.
const folder = fileURLToPath(new URL('../fixtures/pictures/', import.meta.url));
const picture = (name: string) => new Uint8Array(readFileSync(folder + name));
const text = (value: string) => new TextEncoder().encode(value);

describe('the header of a real picture', () => {
  it.each([
    ['plain.png', 'png', 31, 17, 1],
    ['turned.png', 'png', 31, 17, 6],
    ['deep.png', 'png', 5, 4, 1],
    ['turned.jpg', 'jpeg', 31, 17, 6],
    ['progressive.jpg', 'jpeg', 31, 17, 1],
    ['cmyk.jpg', 'jpeg', 31, 17, 1],
    ['lossy.webp', 'webp', 31, 17, 1],
    ['lossless.webp', 'webp', 31, 17, 1],
    ['turned.webp', 'webp', 31, 17, 6],
    ['moving.gif', 'gif', 15, 9, 1],
    ['plain.bmp', 'bmp', 15, 9, 1],
    ['plain.avif', 'avif', 31, 17, 1],
    ['turned.avif', 'avif', 31, 17, 6],
    ['transverse.avif', 'avif', 31, 17, 7], // a quarter turn anticlockwise, then mirrored left-right
  ])('%s is %s, %d × %d, orientation %d', (name, format, width, height, orientation) => {
    expect(readPictureHeader(picture(name))).toEqual({ format, width, height, orientation });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'tells EXIF orientation %d, big- and little-endian',
    (value) => {
      const jpeg = picture('turned.jpg');
      const at = jpeg.findIndex((_, i) => jpeg[i] === 0x01 && jpeg[i + 1] === 0x12); // Pillow writes MM
      expect(readPictureHeader(jpeg.with(at + 9, value)).orientation).toBe(value);
      const little = Uint8Array.from(text('II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0'));
      const exif = [...text('Exif\0\0'), ...little, value, 0, 0, 0];
      const segment = [0xff, 0xe1, 0, exif.length + 2, ...exif];
      const plain = picture('progressive.jpg');
      const file = Uint8Array.of(0xff, 0xd8, ...segment, ...plain.subarray(2));
      expect(readPictureHeader(file).orientation).toBe(value);
    },
  );

  it('takes a broken EXIF block for upright', () => {
    const jpeg = picture('turned.jpg');
    const at = jpeg.findIndex((_, i) => jpeg[i] === 0x01 && jpeg[i + 1] === 0x12);
    expect(readPictureHeader(jpeg.with(at + 9, 99)).orientation).toBe(1);
    expect(readPictureHeader(jpeg.with(at - 4, 255)).orientation).toBe(1); // directory far away
  });

  it.each(readdirSync(folder))('%s is refused at every length short of a whole picture', (name) => {
    const whole = picture(name);
    const lengthTaken = Array.from({ length: whole.length }, (_, length) => length).filter(
      (length) => {
        try {
          readPictureHeader(whole.subarray(0, length));
          return true;
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
          return false;
        }
      },
    );
    // Behind the first frame of a GIF and the item table of an AVIF a cut is the decoder's to find.
    const open = name.endsWith('.gif') || name.endsWith('.avif');
    if (open) expect(lengthTaken.every((length) => length > 100)).toBe(true);
    else expect(lengthTaken).toEqual([]);
  });
});

describe('a file that is no picture we take', () => {
  const png = (width: number, height: number) => {
    const file = picture('plain.png');
    const view = new DataView(file.buffer, file.byteOffset);
    view.setUint32(16, width);
    view.setUint32(20, height);
    return file;
  };
  const refused: [why: string, code: string, file: Uint8Array][] = [
    ['nothing', 'empty', new Uint8Array(0)],
    ['text', 'unknown', text('hello, this is a letter')],
    ['zeros', 'unknown', new Uint8Array(100)],
    ['a web page', 'unknown', text('<!DOCTYPE html><html><body></body></html>')],
    [
      'an SVG',
      'svg',
      text('<svg xmlns="http://www.w3.org/2000/svg"><image href="http://x"/></svg>'),
    ],
    ['an SVG behind its prologue', 'svg', text('\ufeff<?xml version="1.0"?>\n<!-- x -->\n<SVG >')],
    ['a PNG of no width', 'zero-size', png(0, 5)],
    ['a PNG of no height', 'zero-size', png(5, 0)],
    ['a PNG 20,000 wide', 'side', png(20_000, 10)],
    ['a PNG that unpacks to 20,000²', 'side', png(20_000, 20_000)],
    ['a PNG of 110 million pixels', 'pixels', png(11_000, 10_000)],
    ['a PNG without its header chunk', 'damaged', picture('plain.png').with(12, 0)],
    ['a JPEG without a frame', 'damaged', Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 2, 0xff, 0xd9)],
    ['a JPEG that ends at once', 'damaged', Uint8Array.of(0xff, 0xd8, 0xff, 0xd9)],
    ['a WebP with a strange chunk', 'damaged', picture('lossy.webp').with(15, 0x41)],
    ['half a PNG', 'truncated', picture('plain.png').subarray(0, 100)],
    ['a PNG signature', 'truncated', picture('plain.png').subarray(0, 8)],
    ['a JPEG without its end', 'truncated', picture('turned.jpg').slice(0, -1)],
  ];
  it.each(refused)('%s: image/%s', (_why, code, file) => {
    expect(() => readPictureHeader(file)).toThrow(
      expect.objectContaining({ name: 'EngineError', code: `image/${code}` }),
    );
  });

  it.each([
    ['HEIC', text('\0\0\0\x18ftypheic\0\0\0\0mif1heic')],
    ['TIFF', text('II*\0\x08\0\0\0')],
    ['TIFF', text('MM\0*\0\0\0\x08')],
    ['JPEG XL', text('\0\0\0\x0cJXL \r\n')],
    ['JPEG XL', Uint8Array.of(0xff, 0x0a, 1)],
    ['video', text('\0\0\0\x18ftypisom\0\0\0\0isommp42')],
    ['PDF', text('%PDF-1.7')],
  ])('%s: image/unsupported, by name', (name, file) => {
    expect(() => readPictureHeader(file)).toThrow(
      expect.objectContaining({ code: 'image/unsupported', have: name }),
    );
  });

  it('above 64 MiB: image/file-size', () => {
    const file = new Uint8Array(64 * 2 ** 20 + 1);
    expect(() => readPictureHeader(file)).toThrow(
      expect.objectContaining({ code: 'image/file-size', have: 67_108_865, need: 67_108_864 }),
    );
  });

  it('the largest sizes pass', () => {
    expect(() => checkPictureSize(10_000, 10_000)).not.toThrow();
    expect(() => checkPictureSize(16_384, 1)).not.toThrow();
    expect(() => checkPictureSize(1, 1)).not.toThrow();
  });
});

it('20,000 mutated pictures end in a header or in a typed error', () => {
  const files = readdirSync(folder).map(picture);
  const random = chance(12345);
  const outcomes = new Map<string, number>();
  for (let run = 0; run < 20_000; run++) {
    const file = Uint8Array.from(files[run % files.length] ?? []);
    for (let i = 0; i <= random(4); i++) {
      // mostly among the first bytes, where the structure is, and mostly to extreme values
      const at = random(random(3) ? Math.min(file.length, 200) : file.length);
      file[at] = random(2) ? random(256) : random(2) * 255;
    }
    let outcome = 'accepted';
    try {
      const { width, height } = readPictureHeader(file);
      checkPictureSize(width, height);
    } catch (error) {
      outcome = error instanceof EngineError ? error.code : `untyped: ${String(error)}`;
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect([...outcomes.keys()].filter((outcome) => outcome.startsWith('untyped'))).toEqual([]);
  for (const code of [
    'accepted',
    'image/truncated',
    'image/damaged',
    'image/unknown',
    'image/side',
  ]) {
    expect(outcomes.get(code), code).toBeGreaterThan(100);
  }
});
