/** What of a checkpoint is asked for while a weight before it is still written. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import type { Reading } from '../../src/engine/weights/weight-reader.ts';
import { WeightReader } from '../../src/engine/weights/weight-reader.ts';
import type { WeightSource } from '../../src/engine/weights/weight-source.ts';

/** Weights of these lengths in f32, named by their place; `asked` are those whose reading has begun. */
function model(lengths: readonly number[], failing = -1) {
  const asked: string[] = [];
  const source: WeightSource = {
    info: (name) => ({ shape: [lengths[Number(name)] ?? 0] }),
    read: async () => new Float32Array(),
    raw: (name) => ({
      dtype: 'F32',
      pieces: async function* (chunkBytes) {
        asked.push(name);
        await Promise.resolve();
        if (Number(name) === failing) throw new Error(`no ${name}`);
        const size = 4 * (lengths[Number(name)] ?? 0);
        for (let at = 0; at < size; at += chunkBytes)
          yield new Uint8Array(Math.min(chunkBytes, size - at)).fill(Number(name));
      },
    }),
  };
  const graph = new Graph({ precision: 'f32' });
  const parts = lengths.map((length, i) => graph.weight(String(i), [length]));
  return { source, parts, asked };
}

async function bytesOf(reading: Reading): Promise<number[]> {
  const bytes: number[] = [];
  const pieces = 'ready' in reading ? reading.ready : [];
  for await (const piece of pieces) bytes.push(...piece.subarray(0, 32));
  return bytes;
}

const firstBytes = async (reader: WeightReader, parts: readonly Tensor[]): Promise<number[]> => {
  const found: number[] = [];
  for (const part of parts) found.push((await bytesOf(reader.read(part)))[0] ?? NaN);
  return found;
};

describe('weights that are expected', () => {
  it('are asked for while one before them is read, a dozen at a time, and come in order', async () => {
    const { source, parts, asked } = model(Array.from({ length: 30 }, () => 8));
    const reader = new WeightReader(source);
    reader.expect(parts);
    expect(asked).toEqual([]);
    const [first] = parts;
    const reading = first && reader.read(first);
    expect(asked).toEqual(Array.from({ length: 13 }, (_, i) => String(i)));
    expect(reading && (await bytesOf(reading))).toEqual(Array.from({ length: 32 }, () => 0));
    const rest = Array.from({ length: 29 }, (_, i) => i + 1);
    expect(await firstBytes(reader, parts.slice(1))).toEqual(rest);
    expect(asked).toHaveLength(30);
  });

  it('are asked for when no more than three pieces are on their way with them', async () => {
    const { source, parts, asked } = model([8, 2 ** 23, 2 ** 22, 8]); // 32 MiB, then 16
    const reader = new WeightReader(source);
    reader.expect(parts);
    expect(await firstBytes(reader, parts.slice(0, 1))).toEqual([0]);
    expect(asked).toEqual(['0', '1']);
    const [, large] = parts;
    const reading = large && reader.read(large);
    const seen: string[] = [];
    for await (const piece of reading && 'ready' in reading ? reading.ready : [])
      seen.push(`${piece.byteLength / 2 ** 20} ${asked.join('')}`);
    expect(seen).toEqual(['8 01', '8 01', '8 012', '8 0123']);
    expect(await firstBytes(reader, parts.slice(2))).toEqual([2, 3]);
  });

  it('are read when they are due where values are computed', async () => {
    const { source, parts, asked } = model([8, 8, 8]);
    const computed: string[] = [];
    const mixed: WeightSource = {
      ...source,
      read: async (name) => (computed.push(name), new Float32Array(8)),
      raw: (name) => (name === '1' ? undefined : source.raw?.(name)),
    };
    const reader = new WeightReader(mixed);
    reader.expect(parts);
    const [first, second] = parts;
    if (first && second) {
      await bytesOf(reader.read(first));
      expect([asked, computed]).toEqual([['0'], []]);
      reader.read(second);
      expect([asked, computed]).toEqual([['0', '2'], ['1']]);
    }
  });

  it('fail when they are read, and not before', async () => {
    const { source, parts } = model([8, 8, 8], 2);
    const reader = new WeightReader(source);
    reader.expect(parts);
    expect(await firstBytes(reader, parts.slice(0, 2))).toEqual([0, 1]);
    await expect(firstBytes(reader, parts.slice(2))).rejects.toThrow('no 2');
  });

  it('are forgotten when others are expected', async () => {
    const { source, parts, asked } = model([8, 8]);
    const reader = new WeightReader(source);
    reader.expect(parts);
    await firstBytes(reader, parts.slice(0, 1));
    reader.expect([]);
    expect(await firstBytes(reader, parts.slice(1))).toEqual([1]);
    expect(asked).toEqual(['0', '1', '1']);
  });
});
