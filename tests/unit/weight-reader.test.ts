/** What of a checkpoint is read, and in which order. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { inFileOrder, WeightReader } from '../../src/engine/weights/weight-reader.ts';
import type { WeightSource } from '../../src/engine/weights/weight-source.ts';

const ROW = 8;

/** A file of weights of one row of f32 each, whose values are their place in it; `order` are their names as they lie there. */
function model(order: readonly string[], failing?: string) {
  const asked: string[] = [];
  const file = {
    async read(start: number, end: number): Promise<Uint8Array> {
      const names = order.slice(start / (4 * ROW), end / (4 * ROW));
      asked.push(names.join(''));
      if (names.some((name) => name === failing)) throw new Error(`no ${failing}`);
      const values = Float32Array.from({ length: (end - start) / 4 }, (_, i) =>
        Math.floor((start / 4 + i) / ROW),
      );
      return new Uint8Array(values.buffer);
    },
  };
  const source: WeightSource = {
    info: () => ({ shape: [ROW] }),
    read: async (name) => (asked.push(`(${name})`), new Float32Array(ROW).fill(-1)),
    raw: (name) => {
      const start = 4 * ROW * order.indexOf(name);
      if (start < 0) return undefined;
      return { dtype: 'F32', bytes: { source: file, start, end: start + 4 * ROW } };
    },
  };
  const graph = new Graph({ precision: 'f32' });
  const part = (name: string): Tensor => graph.weight(name, [ROW]);
  return { source, part, asked };
}

/** The first value of what is read of a weight. */
async function firstOf(reader: WeightReader, part: Tensor): Promise<number> {
  const reading = reader.read(part);
  const all: number[] = [];
  const pieces = 'ready' in reading ? reading.ready : [];
  for await (const bytes of pieces) all.push(...new Float32Array(new Uint8Array(bytes).buffer));
  if ('slabs' in reading) {
    for await (const { bytes } of reading.slabs) {
      all.push(...new Float32Array(new Uint8Array(bytes).buffer));
    }
  }
  expect(all).toHaveLength(ROW);
  return all[0] ?? NaN;
}

describe('weights that are expected', () => {
  it('come in order, neighbours with one request', async () => {
    const { source, part, asked } = model('abcdef'.split(''));
    const reader = new WeightReader(source);
    const parts = 'abdef'.split('').map(part);
    reader.expect(parts);
    expect(asked).toEqual([]);
    for (const [i, each] of parts.entries()) {
      expect(await firstOf(reader, each)).toBe('abcdef'.indexOf('abdef'[i] ?? ''));
    }
    expect(asked).toEqual(['abcdef']);
  });

  it('leave others alone: those are read on their own', async () => {
    const { source, part, asked } = model('abc'.split(''));
    const reader = new WeightReader(source);
    const [a, b, c] = [part('a'), part('b'), part('c')];
    reader.expect([a, c]);
    expect(await firstOf(reader, b)).toBe(1);
    expect(await firstOf(reader, a)).toBe(0);
    expect(await firstOf(reader, c)).toBe(2);
    expect(asked).toEqual(['b', 'abc']);
  });

  it('are computed when they are due where they are in no file', async () => {
    const { source, part, asked } = model('ab'.split(''));
    const reader = new WeightReader(source);
    const [a, made, b] = [part('a'), part('made'), part('b')];
    reader.expect([a, made, b]);
    expect(await firstOf(reader, a)).toBe(0);
    expect(asked).toEqual(['ab']);
    expect(await firstOf(reader, made)).toBe(-1);
    expect(await firstOf(reader, b)).toBe(1);
    expect(asked).toEqual(['ab', '(made)']);
  });

  it('fail when they are read', async () => {
    const { source, part } = model('ab'.split(''), 'b');
    const reader = new WeightReader(source);
    const b = part('b');
    reader.expect([b]);
    await expect(firstOf(reader, b)).rejects.toThrow('no b');
  });

  it('are forgotten when others are expected', async () => {
    const { source, part, asked } = model('abc'.split(''));
    const reader = new WeightReader(source);
    const [a, b] = [part('a'), part('b')];
    reader.expect([a, b]);
    expect(await firstOf(reader, a)).toBe(0);
    reader.expect([]);
    expect(await firstOf(reader, b)).toBe(1);
    expect(asked).toEqual(['ab', 'b']);
  });
});

describe('weights in the order of their files', () => {
  it('are sorted by where they lie, those that are computed last', () => {
    const { source, part } = model('zyx'.split(''));
    const items = ['x', 'made', 'y', 'z'].map((name) => ({ name, part: part(name) }));
    expect(inFileOrder(items, source).map(({ name }) => name)).toEqual(['z', 'y', 'x', 'made']);
  });
});
