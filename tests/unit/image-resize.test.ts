import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { crop, resizeBytes, resizeFloats } from '../../src/engine/image/resize.ts';
import type { Raster, ResizeFilter } from '../../src/engine/image/resize.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { openSafetensors, readF32 } from '../../src/engine/weights/safetensors.ts';

// A 17 × 13 picture of noise with a white and a black corner, resized by Pillow 9.4 (8 bits) and torch 2.13
// (f32, −1 … 1): pillow.<filter>.<w>x<h> and torch.<filter>.<w>x<h>, all [height, width, 3].
const path = fileURLToPath(new URL('../fixtures/resize.safetensors', import.meta.url));
const golden = new Map<string, Float32Array>();

beforeAll(async () => {
  const file = await fileSource(path);
  const contents = await openSafetensors(file);
  for (const name of contents.tensors.keys()) golden.set(name, await readF32(contents, name));
  await file.close();
});

const tensor = (name: string) => golden.get(name) ?? new Float32Array();
const source = (): Raster<Uint8ClampedArray> => ({
  width: 17,
  height: 13,
  channels: 3,
  data: Uint8ClampedArray.from(tensor('source')),
});
const sizes = ['5x4', '17x6', '31x29', '8x13', '1x1'].map((name) => {
  const [width = 0, height = 0] = name.split('x').map(Number);
  return { name, width, height };
});

describe.each(sizes)('to $name', ({ name, width, height }) => {
  it.each([
    ['bilinear-antialiased', 'bilinear'],
    ['bicubic-antialiased', 'bicubic'],
    ['lanczos', 'lanczos'],
  ] as const)('%s in 8 bits equals Pillow, byte by byte', (filter, pillow) => {
    const { data } = resizeBytes(source(), { width, height }, filter);
    expect([...data]).toEqual([...tensor(`pillow.${pillow}.${name}`)]);
  });

  it.each(['bilinear', 'bicubic', 'bilinear-antialiased', 'bicubic-antialiased'] as const)(
    '%s in f32 equals torch',
    (filter) => {
      const bytes = source();
      const floats = { ...bytes, data: Float32Array.from(bytes.data, (byte) => byte / 127.5 - 1) };
      const { data } = resizeFloats(floats, { width, height }, filter);
      const want = tensor(`torch.${filter}.${name}`);
      expect(data).toHaveLength(width * height * 3);
      const worst = data.reduce(
        (max, value, i) => Math.max(max, Math.abs(value - (want[i] ?? NaN))),
        0,
      );
      expect(worst).toBeLessThan(2e-6);
    },
  );
});

describe('any filter', () => {
  const filters: ResizeFilter[] = [
    'bilinear',
    'bicubic',
    'bilinear-antialiased',
    'bicubic-antialiased',
    'lanczos',
  ];
  it.each(filters)('%s keeps a flat picture flat', (filter) => {
    const flat = { width: 7, height: 5, channels: 1, data: new Float32Array(35).fill(0.37) };
    const { data } = resizeFloats(flat, { width: 11, height: 3 }, filter);
    data.forEach((value) => expect(value).toBeCloseTo(0.37, 6));
  });

  it.each(filters)('%s leaves a picture of the right size untouched', (filter) => {
    const bytes = source();
    expect(resizeBytes(bytes, { width: 17, height: 13 }, filter).data).toEqual(bytes.data);
  });

  it('refuses sizes that do not fit the data', () => {
    const short = { width: 3, height: 2, channels: 3, data: new Float32Array(17) };
    expect(() => resizeFloats(short, { width: 2, height: 2 }, 'bicubic')).toThrow(
      expect.objectContaining({ code: 'image/size', have: 17, need: 18 }),
    );
    expect(() => resizeBytes(source(), { width: 0, height: 2 }, 'lanczos')).toThrow(
      expect.objectContaining({ code: 'image/size' }),
    );
  });
});

describe('crop', () => {
  const raster = { width: 3, height: 2, channels: 1, data: Float32Array.of(1, 2, 3, 4, 5, 6) };

  it('returns the part as a picture of its own', () => {
    const part = crop(raster, { x: 1, y: 0, width: 2, height: 2 });
    expect(part).toEqual({ width: 2, height: 2, channels: 1, data: Float32Array.of(2, 3, 5, 6) });
    part.data[0] = 9;
    expect(raster.data[1]).toBe(2);
  });

  it('refuses a part that reaches over the edge', () => {
    expect(() => crop(raster, { x: 2, y: 0, width: 2, height: 1 })).toThrow(
      expect.objectContaining({ code: 'image/size' }),
    );
  });
});
