import { describe, expect, it } from 'vitest';
import {
  headLayout,
  padColumns,
  padHeadNorm,
  padRows,
} from '../../src/engine/weights/head-padding.ts';
import { parseGemmaConfig } from '../../src/engine/models/gemma/config.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { RowSource } from '../../src/engine/weights/mapped.ts';
import { readTableRows } from '../../src/engine/weights/table-rows.ts';
import { mapWeights, withoutPrefix } from '../../src/engine/weights/mapped.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import type { StoredValues } from '../../src/engine/weights/slabs.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';

/** A matrix of 4 rows and 2 columns that counts from 0. */
const source: RowSource & { names(): readonly string[] } = {
  names: () => ['model.table.weight'],
  has: (name) => name === 'model.table.weight',
  info: () => ({ shape: [4, 2] }),
  read: async () => Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
  readRows: async (_, first, end) =>
    Float32Array.from({ length: 2 * (end - first) }, (_value, i) => 2 * first + i),
};

describe('a view of weights', () => {
  it('drops what stands before a name, found by one that must be there', async () => {
    const view = withoutPrefix(source, 'table.weight');
    expect(view.has('table.weight')).toBe(true);
    expect(await view.readRows('table.weight', 3, 4)).toEqual(Float32Array.of(6, 7));
    expect(() => withoutPrefix(source, 'able.weight')).toThrow(/weights\/missing/);
  });

  it('gives rows of a tensor as a tensor, with values made from them', async () => {
    const view = mapWeights(source, (name) =>
      name === 'part'
        ? { from: 'model.table.weight', rows: [1, 3], values: (own) => own.map((v) => -v) }
        : undefined,
    );
    expect(view.info('part').shape).toEqual([2, 2]);
    expect(await view.read('part')).toEqual(Float32Array.of(-2, -3, -4, -5));
  });
});

describe('a view of weights as they are stored', () => {
  const bytesOf = async (values: StoredValues | undefined): Promise<number[]> => {
    const { source, start = 0, end = 0 } = values?.bytes ?? {};
    return [...((await source?.read(start, end)) ?? [])];
  };
  const factorsOf = async ({ factors }: StoredValues): Promise<Float32Array | undefined> => {
    const { source, start = 0, end = 0 } = factors?.bytes ?? {};
    return source && factors?.values(await source.read(start, end));
  };
  const scaled = writeSafetensors([
    ['w', { dtype: 'I8', shape: [4, 2], data: Int8Array.of(0, 1, 2, 3, 4, 5, 6, 7) }],
    ['w.scale', { dtype: 'F32', shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
  ]);

  it('gives the rows that it stands for, with their factors, and nothing where values are made', async () => {
    const store = await WeightStore.open([bytesSource(scaled)]);
    const view = mapWeights(store, (name) => {
      if (name === 'tail') return { from: 'w', rows: [1, 4] };
      return name === 'made' ? { from: 'w', values: (own) => own } : undefined;
    });
    expect(await bytesOf(view.raw?.('w'))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(await bytesOf(view.raw?.('tail'))).toEqual([2, 3, 4, 5, 6, 7]);
    expect(await factorsOf(view.raw?.('tail') ?? store.raw('w'))).toEqual(Float32Array.of(2, 3, 4));
    expect(await bytesOf(view.raw?.('tail', [1, 2]))).toEqual([4, 5]);
    expect(await factorsOf(view.raw?.('tail', [1, 2]) ?? store.raw('w'))).toEqual(
      Float32Array.of(3),
    );
    expect(view.raw?.('made')).toBeUndefined();
    expect(mapWeights(source, () => undefined).raw).toBeUndefined();
  });
});

describe('rows of a table', () => {
  const table = (reads: number[]): RowSource => ({
    ...source,
    readRows: async (name, first, end) => {
      reads.push(first);
      return source.readRows(name, first, end);
    },
  });
  const size = { vocabulary: 4, width: 2 };

  it('come in the order of the ids, and each is read once', async () => {
    const reads: number[] = [];
    const rows = await readTableRows(table(reads), 'model.table.weight', size, [3, 0, 3]);
    expect(rows).toEqual(Float32Array.of(6, 7, 0, 1, 6, 7));
    expect(reads.toSorted((a, b) => a - b)).toEqual([0, 3]);
  });

  it.each([4, -1, 0.5])('are refused for id %d before any is read', async (id) => {
    const reads: number[] = [];
    const rows = readTableRows(table(reads), 'model.table.weight', size, [0, id]);
    await expect(rows).rejects.toMatchObject({ code: 'text/token' });
    expect(reads).toEqual([]);
  });
});

describe('padded heads', () => {
  it('have zeros behind each half where halves turn', () => {
    const layout = headLayout(6, 'half');
    expect(padRows(Float32Array.of(1, 2, 3, 4, 5, 6), layout, 1)).toEqual(
      Float32Array.of(1, 2, 3, 0, 4, 5, 6, 0),
    );
  });

  it('have zeros at their end where neighbours turn', () => {
    const layout = headLayout(2, 'interleaved');
    expect(padColumns(Float32Array.of(1, 2, 3, 4), layout, 4)).toEqual(
      Float32Array.of(1, 2, 0, 0, 3, 4, 0, 0),
    );
  });

  it('are normalised as the narrow ones', () => {
    const x = [3, -1, 2, 5, 1, -4];
    const layout = headLayout(6, 'half');
    const { weight, eps } = padHeadNorm(new Float32Array(6).fill(1), 0.5, layout);
    const wide = padRows(Float32Array.from(x), layout, 1);
    const normed = (values: ArrayLike<number>, e: number): number[] => {
      const all = Array.from(values);
      const scale = 1 / Math.sqrt(all.reduce((a, v) => a + v * v, 0) / all.length + e);
      return all.map((v) => v * scale);
    };
    const want = padRows(Float32Array.from(normed(x, 0.5)), layout, 1);
    normed(wide, eps).forEach((v, i) =>
      expect(v * (weight[i] ?? NaN)).toBeCloseTo(want[i] ?? NaN, 5),
    );
  });
});

describe('Gemma’s config.json', () => {
  it('of the 4B model that also sees fills in what its class knows', () => {
    const config = parseGemmaConfig({
      model_type: 'gemma3',
      torch_dtype: 'bfloat16',
      text_config: {
        model_type: 'gemma3_text',
        hidden_size: 2560,
        intermediate_size: 10240,
        num_hidden_layers: 34,
        rope_scaling: { factor: 8, rope_type: 'linear' },
        sliding_window: 1024,
      },
    });
    expect(config).toMatchObject({
      ...{ heads: 8, kvHeads: 4, headDim: 256, qkNorm: true, scale: 1 / 16 },
      embeddingScale: 50.5,
      vocabulary: 262_208,
    });
    const global = config.layers.flatMap(({ window }, i) => (window === undefined ? [i] : []));
    expect(global).toEqual([5, 11, 17, 23, 29]);
    expect(config.layers[0]).toEqual({ window: 1024, theta: 10_000, stretch: 1 });
    expect(config.layers[5]).toEqual({ window: undefined, theta: 1_000_000, stretch: 8 });
  });

  it('of Gemma 2 caps scores and slides in every other layer', () => {
    const config = parseGemmaConfig({
      model_type: 'gemma2',
      hidden_size: 2304,
      intermediate_size: 9216,
      num_hidden_layers: 4,
      attn_logit_softcapping: 50,
    });
    expect(config).toMatchObject({ softCap: 50, qkNorm: false, embeddingScale: 48 });
    expect(config.layers.map(({ window }) => window)).toEqual([4096, undefined, 4096, undefined]);
  });
});
