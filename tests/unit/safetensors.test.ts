import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blobSource, bytesSource } from '../../src/engine/weights/byte-source.ts';
import { urlSource } from '../../src/engine/weights/remote-file.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { openSafetensors, readF32, readTensor } from '../../src/engine/weights/safetensors.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import { fileOf, rawFile } from '../helpers/safetensors-file.ts';

const open = (bytes: Uint8Array) => openSafetensors(bytesSource(bytes));
const f32 = (shape: number[], data_offsets: number[]) => ({ dtype: 'F32', shape, data_offsets });
const good = { w: f32([2], [0, 8]) };

/** One file for each rule, and the code that names the rule. */
const malformed: [why: string, code: string, file: Uint8Array][] = [
  ['an empty file', 'truncated', new Uint8Array(0)],
  ['seven bytes', 'truncated', new Uint8Array(7)],
  ['a header longer than the file', 'truncated', rawFile('{}', 0, 3n)],
  ['data that ends early', 'truncated', fileOf(good, 7)],
  ['a header above 16 MiB', 'header-too-large', rawFile('{}', 0, 2n ** 24n + 1n)],
  ['a header length near 2^64', 'header-too-large', rawFile('{}', 0, 2n ** 64n - 1n)],
  ['a header length above 2^53', 'header-too-large', rawFile('{}', 0, 2n ** 53n + 2n)],
  ['no header', 'header-start', rawFile('')],
  ['a header that starts with a blank', 'header-start', rawFile(' {}')],
  ['a header that is an array', 'header-start', rawFile('[]')],
  ['a byte order mark', 'header-start', rawFile('\ufeff{}')],
  ['a stray continuation byte', 'utf8', rawFile(Uint8Array.of(0x7b, 0x22, 0x80, 0x22, 0x7d))],
  ['an overlong encoding', 'utf8', rawFile(Uint8Array.of(0x7b, 0xc0, 0xaf, 0x7d))],
  ['half an object', 'json', rawFile('{"w":')],
  ['bytes after the object', 'json', rawFile('{} x')],
  ['a zero byte as padding', 'json', rawFile('{}\0')],
  ['metadata that is a string', 'metadata', fileOf({ __metadata__: 'x' })],
  ['metadata that is an array', 'metadata', fileOf({ __metadata__: ['x'] })],
  ['a number in the metadata', 'metadata', fileOf({ __metadata__: { steps: 5 } })],
  ['a name of 513 characters', 'name', fileOf({ ['w'.repeat(513)]: f32([2], [0, 8]) }, 8)],
  ['an entry that is null', 'entry', fileOf({ w: null })],
  ['an entry that is an array', 'entry', fileOf({ w: [] })],
  ['an entry without dtype', 'entry', fileOf({ w: { shape: [2], data_offsets: [0, 8] } }, 8)],
  ['an entry without shape', 'entry', fileOf({ w: { dtype: 'F32', data_offsets: [0, 8] } }, 8)],
  ['an entry without offsets', 'entry', fileOf({ w: { dtype: 'F32', shape: [2] } }, 8)],
  ['an unknown dtype', 'dtype', fileOf({ w: { ...good.w, dtype: 'F4' } }, 8)],
  ['a dtype named like a method', 'dtype', fileOf({ w: { ...good.w, dtype: 'constructor' } }, 8)],
  ['a dtype in lower case', 'dtype', fileOf({ w: { ...good.w, dtype: 'f32' } }, 8)],
  ['a dtype that is a number', 'dtype', fileOf({ w: { ...good.w, dtype: 32 } }, 8)],
  ['a negative axis', 'shape', fileOf({ w: f32([-2], [0, 8]) }, 8)],
  ['half an axis', 'shape', fileOf({ w: f32([0.5, 4], [0, 8]) }, 8)],
  ['nine axes', 'shape', fileOf({ w: f32([2, 1, 1, 1, 1, 1, 1, 1, 1], [0, 8]) }, 8)],
  ['an axis of 2^53', 'shape', fileOf({ w: f32([2 ** 53], [0, 8]) }, 8)],
  ['a shape that is a number', 'shape', fileOf({ w: { ...good.w, shape: 2 } }, 8)],
  ['an axis that is a string', 'shape', fileOf({ w: { ...good.w, shape: ['2'] } }, 8)],
  ['a size above 2^53', 'overflow', fileOf({ w: f32([2 ** 30, 2 ** 30], [0, 8]) }, 8)],
  ['a size above 2^53 times zero', 'overflow', fileOf({ w: f32([2 ** 52, 2 ** 52, 0], [0, 0]) })],
  ['one offset', 'offsets', fileOf({ w: f32([2], [8]) }, 8)],
  ['three offsets', 'offsets', fileOf({ w: f32([2], [0, 8, 8]) }, 8)],
  ['a negative offset', 'offsets', fileOf({ w: f32([2], [-8, 0]) }, 8)],
  ['offsets the wrong way round', 'offsets', fileOf({ w: f32([2], [8, 0]) }, 8)],
  ['an offset above 2^53', 'offsets', fileOf({ w: f32([2], [0, 2 ** 53]) }, 8)],
  ['offsets that are no array', 'offsets', fileOf({ w: { ...good.w, data_offsets: 'x' } }, 8)],
  ['fewer bytes than the shape needs', 'size-mismatch', fileOf({ w: f32([3], [0, 8]) }, 8)],
  ['more bytes than the shape needs', 'size-mismatch', fileOf({ w: f32([1], [0, 8]) }, 8)],
  ['bytes for a tensor of no values', 'size-mismatch', fileOf({ w: f32([0, 5], [0, 4]) }, 4)],
  ['a hole at the start', 'hole-or-overlap', fileOf({ w: f32([2], [4, 12]) }, 12)],
  [
    'a hole in between',
    'hole-or-overlap',
    fileOf({ a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, 12),
  ],
  ['an overlap', 'hole-or-overlap', fileOf({ a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12)],
  [
    'one range given twice',
    'hole-or-overlap',
    fileOf({ a: f32([2], [0, 8]), b: f32([2], [0, 8]) }, 8),
  ],
  [
    'one name given twice',
    'hole-or-overlap',
    rawFile(
      '{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}',
      8,
    ),
  ],
  ['bytes after the last tensor', 'trailing-bytes', fileOf(good, 9)],
  ['bytes and no tensor', 'trailing-bytes', fileOf({}, 1)],
];

describe('a malformed safetensors file is refused by the rule it breaks', () => {
  it.each(malformed)('%s: weights/%s', async (_why, code, file) => {
    await expect(open(file)).rejects.toMatchObject({
      name: 'EngineError',
      code: `weights/${code}`,
    });
  });

  it('65,537 tensors: weights/too-many-tensors, 65,536 pass', async () => {
    const empty = { dtype: 'U8', shape: [0], data_offsets: [0, 0] };
    const many = (count: number) =>
      fileOf(Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, empty])));
    expect((await open(many(65_536))).tensors.size).toBe(65_536);
    await expect(open(many(65_537))).rejects.toMatchObject({ code: 'weights/too-many-tensors' });
  });

  it('a header above the cap is refused before it is read', async () => {
    const reads: number[] = [];
    const source = {
      size: 2 ** 40,
      read: async (start: number, end: number) => {
        reads.push(end - start);
        return rawFile('', 0, 2n ** 30n).subarray(start, end);
      },
    };
    await expect(openSafetensors(source)).rejects.toMatchObject({
      code: 'weights/header-too-large',
    });
    expect(reads).toEqual([8]);
  });

  it('says what it got and what it needs', async () => {
    const whole = fileOf(good, 8);
    await expect(open(whole.subarray(0, whole.length - 4))).rejects.toMatchObject({
      have: whole.length - 4,
      need: whole.length,
    });
  });
});

describe('a well-formed safetensors file', () => {
  it('lists tensors with their place in the file, and metadata', async () => {
    const header = JSON.stringify({
      __metadata__: { format: 'pt' },
      'b.weight': { dtype: 'I8', shape: [3, 1], data_offsets: [8, 11] },
      a: f32([], [0, 4]),
      empty: f32([0, 7], [4, 4]),
      c: f32([1], [4, 8]),
    });
    const file = await open(rawFile(`${header}   `, 11));
    const base = 8 + header.length + 3;
    expect(file.metadata.get('format')).toBe('pt');
    expect(file.tensors.get('a')).toMatchObject({ shape: [], start: base, end: base + 4 });
    expect(file.tensors.get('b.weight')).toEqual({
      name: 'b.weight',
      dtype: 'I8',
      shape: [3, 1],
      start: base + 8,
      end: base + 11,
    });
    expect(file.tensors.size).toBe(4);
  });

  it('may name a tensor __proto__', async () => {
    const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
    const file = await open(rawFile(`{"__proto__":${entry}}`, 1));
    expect([...file.tensors.keys()]).toEqual(['__proto__']);
    expect(Object.prototype).not.toHaveProperty('dtype');
  });

  it('has its tensors read in pieces that split no value', async () => {
    const file = await open(fileOf({ w: f32([5], [0, 20]) }, 20));
    const pieces: number[][] = [];
    for await (const piece of readTensor(file, 'w', 11)) pieces.push([...piece]);
    expect(pieces.map((piece) => piece.length)).toEqual([8, 8, 4]);
    expect(pieces.flat()).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('refuses a name that it does not hold', async () => {
    const file = await open(fileOf(good, 8));
    await expect(readF32(file, 'v')).rejects.toMatchObject({ code: 'weights/missing' });
  });
});

describe('values of every dtype', () => {
  const cases: [string, ArrayBufferView, number[]][] = [
    ['F64', Float64Array.of(1.5, -1e-3, 1 / 3), [1.5, Math.fround(-1e-3), Math.fround(1 / 3)]],
    ['F32', Float32Array.of(0.1, -7, Infinity), [Math.fround(0.1), -7, Infinity]],
    ['F16', Uint16Array.of(0x3c00, 0xc000, 0x7bff), [1, -2, 65504]],
    ['BF16', Uint16Array.of(0x3f80, 0xc000, 0x3dcd), [1, -2, 0.10009765625]],
    ['F8_E4M3', Uint8Array.of(0x38, 0xb8, 0x7e, 0x01, 0x7f), [1, -1, 448, 2 ** -9, NaN]],
    ['I64', BigInt64Array.of(3n, -(2n ** 40n)), [3, -(2 ** 40)]],
    ['I32', Int32Array.of(70000, -1), [70000, -1]],
    ['I16', Int16Array.of(-32768, 5), [-32768, 5]],
    ['I8', Int8Array.of(-128, 127), [-128, 127]],
    ['U8', Uint8Array.of(0, 255), [0, 255]],
    ['BOOL', Uint8Array.of(0, 1), [0, 1]],
  ];

  it.each(cases)('%s', async (dtype, data, want) => {
    const bytes = new Uint8Array(data.buffer);
    for (const pad of ['', ' ']) {
      // one of the two puts the data at an odd address
      const header = `${JSON.stringify({ w: { dtype, shape: [want.length], data_offsets: [0, bytes.length] } })}${pad}`;
      const file = rawFile(header, bytes.length);
      file.set(bytes, file.length - bytes.length);
      expect([...(await readF32(await open(file), 'w'))]).toEqual(want);
    }
  });
});

describe('writeSafetensors', () => {
  it('writes what the reader reads back, widest types first', async () => {
    const bytes = writeSafetensors(
      [
        ['small', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
        ['wide', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(0.5, -2) }],
      ],
      { note: '图' },
    );
    const file = await open(bytes);
    expect(file.metadata.get('note')).toBe('图');
    expect([...(await readF32(file, 'small'))]).toEqual([1, 2, 3]);
    expect([...(await readF32(file, 'wide'))]).toEqual([0.5, -2]);
    expect((file.tensors.get('wide')?.start ?? 1) % 8).toBe(0);
  });

  it('refuses data that does not fit the shape', () => {
    const tensor = { dtype: 'F32', shape: [3], data: Float32Array.of(1) } as const;
    expect(() => writeSafetensors([['w', tensor]])).toThrow(
      expect.objectContaining({ code: 'weights/size-mismatch', have: 4, need: 12 }),
    );
  });
});

describe('byte sources', () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);

  /** A web server in one function: serves `bytes`, with or without Range requests. */
  const server = (ranges: boolean, body: () => Uint8Array<ArrayBuffer> = () => bytes) => {
    const asked: string[] = [];
    const fetch = async (_url: unknown, init?: RequestInit) => {
      const range = new Headers(init?.headers).get('range') ?? '';
      asked.push(range);
      const data = body();
      if (!ranges) return new Response(data, { status: 200 });
      const [, from = '0', to = '0'] = /bytes=(\d+)-(\d+)/.exec(range) ?? [];
      const end = Math.min(Number(to) + 1, data.length);
      return new Response(data.slice(Number(from), end), {
        status: 206,
        headers: { 'content-range': `bytes ${from}-${end - 1}/${data.length}` },
      });
    };
    return { asked, fetch };
  };

  it('read the same bytes from memory, a Blob, a server and a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sources-'));
    const path = join(folder, 'weights.bin');
    await writeFile(path, bytes);
    const file = await fileSource(path);
    const sources = [
      bytesSource(bytes),
      blobSource(new Blob([bytes])),
      await urlSource('http://host/w', { fetch: server(true).fetch }),
      await urlSource('http://host/w', { fetch: server(false).fetch }),
      file,
    ];
    for (const source of sources) {
      expect(source.size).toBe(bytes.length);
      expect([...(await source.read(99_990, 100_000))]).toEqual(Array.from(bytes.slice(99_990)));
      expect([...(await source.read(5, 9))]).toEqual(Array.from(bytes.slice(5, 9)));
      expect(await source.read(50, 50)).toHaveLength(0);
      await expect(source.read(99_990, 100_001)).rejects.toMatchObject({ code: 'weights/read' });
    }
    await file.close();
    await rm(folder, { recursive: true });
  });

  it('ask a server for what is needed and no more', async () => {
    const { asked, fetch } = server(true);
    const source = await urlSource('http://host/w', { fetch });
    await source.read(0, 8);
    await source.read(70_000, 70_004);
    expect(asked).toEqual(['bytes=0-65535', 'bytes=70000-70003']);
  });

  it('refuse an error page, a broken connection and a file that changes', async () => {
    const page = async () => new Response('not here', { status: 404 });
    await expect(urlSource('http://host/w', { fetch: page })).rejects.toMatchObject({
      code: 'weights/not-found',
      have: 404,
    });

    const short = async () =>
      new Response('abc', { status: 206, headers: { 'content-range': 'bytes 0-9/10' } });
    await expect(urlSource('http://host/w', { fetch: short, waitsMs: [1] })).rejects.toMatchObject({
      code: 'weights/read',
    });

    let body = bytes;
    const source = await urlSource('http://host/w', { fetch: server(true, () => body).fetch });
    body = bytes.slice(1);
    await expect(source.read(70_000, 70_004)).rejects.toMatchObject({ code: 'weights/changed' });
  });

  it('refuse a path where no file is', async () => {
    await expect(fileSource('/nowhere/at/all')).rejects.toMatchObject({ code: 'weights/file' });
  });
});
