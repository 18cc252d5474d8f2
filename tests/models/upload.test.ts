/** Weights on their way to the device: in slabs, in exactly sized buffers, the same bytes as in one go. */
import { describe, expect, it } from 'vitest';
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import { paperGpu } from '../../src/engine/gpu/paper.ts';
import { readBytes } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { writeSafetensors } from '../../src/engine/weights/safetensors-writer.ts';
import { SLAB_VALUES, slabsOf } from '../../src/engine/weights/slabs.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { SHAPES_ALONE, WeightSet } from '../../src/engine/weights/upload.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { testGpus } from '../helpers/devices.ts';
import { PAPER_CAPS } from '../helpers/wan-model.ts';

/** Rows and columns such that the matrix is longer than a slab, and its last slab shorter. */
const [ROWS, WIDTH] = [2500, 1030];

const values = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => seeded('w', i % 100_003));

/** A matrix, given whole or in pieces whose length divides nothing. */
function source(inPieces: boolean): WeightSource & { readonly longest: () => number } {
  const all = values(ROWS * WIDTH);
  let longest = 0;
  const whole: WeightSource = {
    info: () => ({ shape: [ROWS, WIDTH] }),
    read: async () => {
      longest = all.length;
      return all;
    },
  };
  async function* pieces(): AsyncGenerator<Float32Array> {
    for (let at = 0; at < all.length; at += 77_777) {
      longest = Math.max(longest, 77_777);
      yield all.subarray(at, at + 77_777);
    }
  }
  return { ...whole, ...(inPieces && { pieces }), longest: () => longest };
}

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'weights uploaded on $name',
  (open) => {
    it.each([
      ['f32', undefined],
      ['f16', undefined],
      ['f16', 'i8'],
      ['f16', 'i4'],
    ] as const)('in pieces are the same as whole: %s, %s', async (precision, type) => {
      const gpu = await open.gpu();
      const bytesFrom = async (from: WeightSource): Promise<Buffer[]> => {
        const graph = new Graph({ precision, quantise: (): IntegerType | undefined => type });
        const tensor = graph.weight('net.weight', [ROWS, WIDTH], { quantisable: true });
        const weights = new WeightSet(gpu, from);
        await weights.load(graph);
        const keys = [tensor, graph.scales(tensor)].flatMap((each) => (each ? [each.label] : []));
        const bytes: Buffer[] = [];
        for (const key of keys)
          bytes.push(Buffer.from(await readBytes(gpu.device, weights.get(key))));
        weights.destroy();
        return bytes;
      };
      const streamed = source(true);
      const got = await bytesFrom(streamed);
      expect(streamed.longest()).toBe(77_777);
      const want = await bytesFrom(source(false));
      expect(got).toHaveLength(type ? 2 : 1);
      got.forEach((each, i) => expect(Buffer.compare(each, want[i] ?? Buffer.alloc(0))).toBe(0));
    });

    it('are refused before any value is read when a shape differs', async () => {
      const gpu = await open.gpu();
      const graph = new Graph({ precision: 'f32' });
      graph.weight('right', [ROWS, WIDTH]);
      graph.weight('wrong', [WIDTH, ROWS]);
      const from = source(true);
      const loading = new WeightSet(gpu, from).load(graph);
      await expect(loading).rejects.toMatchObject({ code: 'weights/shape' });
      expect(from.longest()).toBe(0);
    });
  },
);

describe('weights as they are stored', () => {
  const file = (dtype: 'F16' | 'BF16' | 'F32'): Uint8Array => {
    const words = Uint16Array.from(
      { length: 64 * 40 },
      (_, i) => ((i * 2654435761) >>> 16) & 0xbfff,
    ); // numbers, no NaN
    const data = dtype === 'F32' ? values(64 * 40) : words;
    return writeSafetensors([['w', { dtype, shape: [64, 40], data }]]);
  };

  it.each([
    ['F32', 'f32'],
    ['F16', 'f16'],
    ['BF16', 'f16'],
    ['F16', 'f32'],
    ['F32', 'f16'],
  ] as const)('from %s to %s are the same as by way of numbers', async (stored, precision) => {
    const written = async (hideRaw: boolean): Promise<Buffer> => {
      const gpu = paperGpu(PAPER_CAPS);
      const seen: Uint8Array[] = [];
      gpu.device.queue.writeBuffer = (_buffer, _at, bytes) => {
        seen.push(Buffer.from(bytes as Uint8Array));
        return undefined;
      };
      const store = await WeightStore.open([bytesSource(file(stored))]);
      const from: WeightSource = hideRaw
        ? { info: (name) => store.info(name), read: (name) => store.read(name) }
        : store;
      const graph = new Graph({ precision });
      graph.weight('w', [64, 40]);
      await new WeightSet(gpu, from).load(graph);
      return Buffer.concat(seen);
    };
    const [direct, throughNumbers] = [await written(false), await written(true)];
    expect(direct.byteLength).toBe(64 * 40 * (precision === 'f16' ? 2 : 4));
    expect(direct.equals(throughNumbers)).toBe(true);
  });
});

describe('memory for weights', () => {
  it('is as large as the weights, whatever their sizes', async () => {
    const gpu = paperGpu(PAPER_CAPS);
    const graph = new Graph({ precision: 'f16' });
    let bytes = 0;
    for (let i = 0; i < 40; i++) {
      const [rows, width] = [1 + ((i * 7919) % 6000), 128 * (1 + (i % 30))];
      graph.weight(`w${i}`, [rows, width]);
      bytes += rows * width * 2;
    }
    const weights = new WeightSet(gpu, SHAPES_ALONE);
    await weights.load(graph);
    expect(weights.bytes).toBe(bytes);
    expect(gpu.peak.weights).toBe(bytes);
    expect(gpu.largest).toBeLessThanOrEqual(256 * 2 ** 20);
    weights.destroy();
    gpu.restart();
    expect(gpu.peak.total).toBe(0);
  });

  it('that the device does not have is a typed error', async () => {
    const gpu = paperGpu(PAPER_CAPS);
    gpu.device.popErrorScope = () => Promise.resolve({ message: 'no memory', __brand: 'GPUError' });
    const graph = new Graph({ precision: 'f16' });
    graph.weight('w', [1024, 1024]);
    const loading = new WeightSet(gpu, SHAPES_ALONE).load(graph);
    await expect(loading).rejects.toMatchObject({ code: 'gpu/memory', need: 2 * 2 ** 20 });
  });
});

describe('slabs', () => {
  const slabs = async (count: number, width: number, piece: number) => {
    const all = values(count);
    async function* pieces(): AsyncGenerator<Float32Array> {
      for (let at = 0; at < count; at += piece) yield all.subarray(at, at + piece);
    }
    const seen: { first: number; rows: number }[] = [];
    const joined: number[] = [];
    for await (const slab of slabsOf(pieces(), width)) {
      seen.push({ first: slab.first, rows: slab.rows });
      expect(slab.values).toHaveLength(slab.rows * width);
      joined.push(...slab.values.subarray(0, 3));
    }
    return { seen, joined, all };
  };

  it('are whole rows, at least one', async () => {
    const { seen, joined, all } = await slabs(3 * SLAB_VALUES, SLAB_VALUES, 1_000_003);
    expect(seen).toEqual([0, 1, 2].map((first) => ({ first, rows: 1 })));
    expect(joined.slice(3, 6)).toEqual([...all.subarray(SLAB_VALUES, SLAB_VALUES + 3)]);
    const small = await slabs(30, 10, 7);
    expect(small.seen).toEqual([0, 1, 2].map((first) => ({ first, rows: 1 })));
    expect(small.joined.slice(3, 6)).toEqual([...small.all.subarray(10, 13)]);
    expect((await slabs(70_000, 1, 70_000)).seen).toEqual([
      { first: 0, rows: 65_535 },
      { first: 65_535, rows: 4465 },
    ]);
  });
});
