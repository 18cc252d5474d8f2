import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import { openGguf, openWeights } from '../../src/engine/weights/gguf.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { ggufFile } from '../helpers/gguf-file.ts';
import type { GgufParts } from '../helpers/gguf-file.ts';

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../fixtures/gguf/${name}`, import.meta.url));
const blocks = fixture('blocks.gguf');

describe('a GGUF file', () => {
  it('holds the values that the gguf package reads from it, in every type', async () => {
    const store = await WeightStore.open([bytesSource(blocks)]);
    const want = await WeightStore.open([bytesSource(fixture('blocks.safetensors'))]);
    expect(store.names().sort()).toEqual(want.names().sort());
    for (const name of want.names()) {
      const values = await want.read(name);
      const got = await store.read(name);
      expect(got).toHaveLength(values.length);
      const largest = Math.max(...values.map(Math.abs));
      const worst = Math.max(...values.map((value, i) => Math.abs(value - (got[i] ?? NaN))));
      expect(worst / largest, name).toBeLessThan(2 ** -22);
    }
    expect(store.info('blocks.0.Q4_K.weight')).toMatchObject({ shape: [2, 512], dtype: 'Q4_K' });
    expect(store.info('patch_embedding.weight').shape).toEqual([2, 4, 1, 2, 2]);
  });

  it('is read by rows and in pieces that split no block', async () => {
    const store = await WeightStore.open([bytesSource(blocks)]);
    const all = await store.read('blocks.0.Q6_K.weight');
    expect(await store.readRows('blocks.0.Q6_K.weight', 1, 2)).toEqual(all.slice(512));
    const pieces: Float32Array[] = [];
    for await (const piece of store.pieces('blocks.0.Q6_K.weight', 500)) pieces.push(piece);
    expect(pieces.map(({ length }) => length)).toEqual([512, 512]);
    expect(Float32Array.of(...pieces.flatMap((piece) => [...piece]))).toEqual(all);
  });

  it('tells its entries', async () => {
    const { metadata } = await openGguf(bytesSource(blocks));
    expect(metadata.get('general.name')).toBe('blocks, 块');
    expect(metadata.get('test.flag')).toBe(true);
    expect(metadata.get('test.words')).toEqual(['a', 'bc']);
  });

  it('costs as many bytes as its header has, however long that is', async () => {
    const words = Array.from({ length: 40_000 }, (_, i) => `word ${i}`);
    const file = ggufFile({ entries: [['words', words]], tensors: [tensor()] });
    const asked: number[] = [];
    const source: ByteSource = {
      size: file.byteLength,
      read(start, end) {
        asked.push(end);
        return bytesSource(file).read(start, end);
      },
    };
    expect((await openWeights(source)).tensors.get('w')?.shape).toEqual([3]);
    expect(asked).toEqual([4, 1 << 16, 1 << 18, file.byteLength]);
  });
});

const tensor = (
  over: Partial<GgufParts['tensors'][number]> = {},
): GgufParts['tensors'][number] => ({
  name: 'w',
  axes: [3],
  type: 0,
  offset: 0,
  bytes: 12,
  ...over,
});

const bad: readonly (readonly [string, string, GgufParts])[] = [
  ['other first bytes', 'gguf-magic', { magic: 'GGML', tensors: [tensor()] }],
  ['version 1', 'gguf-version', { version: 1, tensors: [tensor()] }],
  ['version 4', 'gguf-version', { version: 4, tensors: [tensor()] }],
  ['a billion tensors', 'too-many-tensors', { tensorCount: 10n ** 9n, tensors: [] }],
  ['2^63 tensors', 'overflow', { tensorCount: 2n ** 63n, tensors: [] }],
  ['a billion entries', 'entry', { entryCount: 10n ** 9n, tensors: [] }],
  [
    'an entry twice',
    'entry',
    {
      entries: [
        ['a', 'x'],
        ['a', 'y'],
      ],
      tensors: [tensor()],
    },
  ],
  ['an entry of type 77', 'entry', { entries: [['a', { type: 77 }]], tensors: [tensor()] }],
  ['lists in lists in lists', 'entry', { entries: [['a', { type: 9, nested: 3 }]], tensors: [] }],
  ['an alignment of 24', 'entry', { entries: [['general.alignment', 24]], tensors: [tensor()] }],
  ['a string of 2^40 bytes', 'header-too-large', { keyLength: 2n ** 40n, tensors: [] }],
  ['a string beyond the file', 'truncated', { keyLength: 5000n, tensors: [] }],
  ['a name that is no UTF-8', 'utf8', { tensors: [tensor({ name: Uint8Array.of(0xff, 0xfe) })] }],
  ['an empty name', 'name', { tensors: [tensor({ name: '' })] }],
  ['a name of 600 characters', 'name', { tensors: [tensor({ name: 'n'.repeat(600) })] }],
  ['a name twice', 'name', { tensors: [tensor(), tensor({ offset: 32 })] }],
  ['nine axes', 'shape', { tensors: [tensor({ axes: Array<number>(9).fill(1) })] }],
  ['2^80 values', 'overflow', { tensors: [tensor({ axes: [2 ** 40, 2 ** 40] })] }],
  ['an axis of 2^60', 'overflow', { tensors: [tensor({ axes: [2 ** 60] })] }],
  ['an unknown type', 'dtype', { tensors: [tensor({ type: 39 })] }],
  ['rows of half a block', 'shape', { tensors: [tensor({ axes: [16], type: 2 })] }],
  ['a hole', 'hole-or-overlap', { tensors: [tensor({ offset: 32 })] }],
  ['an overlap', 'hole-or-overlap', { tensors: [tensor(), tensor({ name: 'v', offset: 4 })] }],
  ['an offset of 2^62', 'overflow', { tensors: [tensor({ offset: 2 ** 62 })] }],
  ['missing data', 'truncated', { tensors: [tensor({ axes: [4000], bytes: 12 })] }],
  [
    'a noted shape of other size',
    'shape',
    { entries: [['comfy.gguf.orig_shape.w', 'x']], tensors: [tensor()] },
  ],
];

describe('a hostile GGUF file', () => {
  it.each(bad)('%s: weights/%s', async (_what, code, parts) => {
    const opening = openGguf(bytesSource(ggufFile(parts)));
    await expect(opening).rejects.toMatchObject({ name: 'EngineError', code: `weights/${code}` });
  });

  it('ends in a typed error wherever it is cut', async () => {
    for (let length = 0; length < blocks.byteLength; length += 37) {
      const opening = openGguf(bytesSource(blocks.subarray(0, length)));
      await expect(opening).rejects.toBeInstanceOf(EngineError);
    }
  });

  it('ends in a typed error or in tensors inside the file, whichever bytes are changed', async () => {
    let seed = 12345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const header = 900; // of the fixture: entries, names, axes, types, offsets
    let refused = 0;
    for (let run = 0; run < 20_000; run++) {
      const copy = blocks.slice();
      for (let n = 1 + random(3); n > 0; n--) copy[random(header)] = random(256);
      try {
        const { tensors } = await openGguf(bytesSource(copy));
        for (const { start, end } of tensors.values()) {
          expect(start <= end && end <= copy.byteLength).toBe(true);
        }
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(5000);
  });
});
