/** Weights on their way to the device: in slabs, in exactly sized buffers, the same bytes as in one go. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { paperGpu } from '../../src/engine/gpu/paper.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import { packTensor, readBytes, sizeOf } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { storedPacks } from '../../src/engine/weights/packs.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import { SLAB_VALUES, slabsOf } from '../../src/engine/weights/slabs.ts';
import { Store } from '../../src/engine/weights/store.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { SHAPES_ALONE, WeightSet } from '../../src/engine/weights/upload.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { testGpus } from '../helpers/devices.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';
import { PAPER_CAPS } from '../helpers/wan-model.ts';

/** Rows and columns such that the matrix is longer than a slab, and its last slab shorter. */
const [ROWS, WIDTH] = [4100, 1030];

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

/** All 65,536 words, as bytes of one value or of two. */
const words = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
/** Values of f32 that f16 holds, does not hold, or holds as a subnormal, and some halfway between two of it. */
const floats = Float32Array.from(
  { length: 2 ** 16 },
  (_, i) => seeded('w', i) * 2 ** ((i % 60) - 30) || (i % 7) * 2 ** -25,
);
const dataOf: Readonly<Record<string, Float32Array | Uint16Array | Uint8Array>> = {
  F32: floats,
  F16: words,
  BF16: words,
  F8_E4M3: new Uint8Array(words.buffer, 0, 2 ** 16),
  F8_E5M2: new Uint8Array(words.buffer, 0, 2 ** 16),
  I8: new Uint8Array(words.buffer, 2 ** 16, 2 ** 16),
};

/** [out, in, taps] -> [out, taps, in]. */
const tapsFirst = (all: Float32Array, ins: number, taps: number): Float32Array =>
  Float32Array.from(all, (_, i) => {
    const [rest, c] = [Math.floor(i / ins), i % ins];
    return all[(Math.floor(rest / taps) * ins + c) * taps + (rest % taps)] ?? NaN;
  });

describe.each(testGpus())('weights decoded on $name', (open) => {
  it.each([
    ...[...'F32 F16 BF16 F8_E4M3 F8_E5M2 I8'.split(' ')].map((each) => [each, 'rows', 0] as const),
    ['BF16', 'rows of an odd length', 0],
    ['BF16', 'a convolution', 0],
    ['F8_E4M3', 'rows', 1],
    ['F8_E4M3', 'rows', 64],
    ['I8', 'a convolution', 64],
  ] as const)(
    'from %s are the numbers of the file, bit for bit: %s, %i factors',
    async (...test) => {
      const [stored, kind, factorCount] = test;
      const gpu = await open.gpu();
      const [outs, ins, taps] = kind === 'rows' ? [64, 1024, 1] : [64, 37, 27];
      const isConv = kind === 'a convolution';
      const shape = isConv ? [outs, ins, 3, 9] : [outs, ins * taps];
      const data = dataOf[stored]?.subarray(0, outs * ins * taps) ?? new Uint8Array();
      const factors = Float32Array.from({ length: factorCount }, (_, i) => seeded('s', i));
      const scale = { dtype: 'F32', shape: [factorCount], data: factors } as const;
      const file = writeSafetensors([
        ['net.weight', { dtype: stored as 'F32', shape, data }],
        ...(factorCount > 0 ? ([['net.scale_weight', scale]] as const) : []),
      ]);
      const store = await WeightStore.open([bytesSource(file)]);
      const all = await store.read('net.weight');
      for (const precision of ['f32', 'f16'] as const) {
        const graph = new Graph({ precision });
        const placed = isConv ? [outs, taps, ins] : shape;
        graph.weight('net.weight', shape, { shape: placed, packing: isConv ? 'conv' : 'plain' });
        const weights = new WeightSet(gpu, store);
        await weights.load(graph);
        const got = new Uint8Array(await readBytes(gpu.device, weights.get('net.weight')));
        weights.destroy();
        const want = packTensor(isConv ? tapsFirst(all, ins, taps) : all, placed, precision);
        expect(firstDifference(got, want, precision), precision).toBe('');
      }
    },
  );

  it('from I8 with scales are numbers before they are integers again', async () => {
    const gpu = await open.gpu();
    const [rows, width] = [32, 64];
    const factors = Float32Array.from({ length: rows }, (_, i) => seeded('s', i));
    const data = Int8Array.from({ length: rows * width }, (_, i) => (i * 37) % 128);
    const file = writeSafetensors([
      ['net.weight', { dtype: 'I8', shape: [rows, width], data }],
      ['net.scale_weight', { dtype: 'F32', shape: [rows], data: factors }],
    ]);
    const store = await WeightStore.open([bytesSource(file)]);
    const numbers = await store.read('net.weight');
    const loaded = async (from: WeightSource): Promise<Buffer> => {
      const graph = new Graph({ precision: 'f16', quantise: () => 'i8' });
      graph.weight('net.weight', [rows, width], { quantisable: true });
      const weights = new WeightSet(gpu, from);
      await weights.load(graph);
      const bytes = Buffer.from(await readBytes(gpu.device, weights.get('net.weight')));
      weights.destroy();
      return bytes;
    };
    const want = await loaded({ info: (name) => store.info(name), read: async () => numbers });
    expect((await loaded(store)).equals(want)).toBe(true);
    expect(want.equals(Buffer.from(data.buffer))).toBe(false);
  });

  it.each(['f32', 'f16'] as const)(
    'from the blocks of a GGUF file have the bits that numbers would give: %s',
    async (precision) => {
      const gpu = await open.gpu();
      const path = new URL('../fixtures/gguf/blocks.gguf', import.meta.url);
      const store = await WeightStore.open([bytesSource(readFileSync(path))]);
      const graph = new Graph({ precision });
      const shapes = new Map(store.names().map((name) => [name, store.info(name).shape]));
      for (const [name, shape] of shapes) graph.weight(name, shape);
      const read: string[] = [];
      const weights = new WeightSet(gpu, {
        info: (name) => store.info(name),
        read: (name) => store.read(name),
        pieces: (name, chunk) => (read.push(name), store.pieces(name, chunk)),
        raw: (name) => store.raw(name),
      });
      await weights.load(graph);
      expect(read).toEqual([]);
      for (const [name, shape] of shapes) {
        const tensor = weights.get(name);
        const dtype = tensor.dtype === 'f16' ? 'f16' : 'f32'; // vectors stay f32
        const got = new Uint8Array(await readBytes(gpu.device, tensor));
        const want = packTensor(await store.read(name), shape, dtype);
        expect(firstDifference(got, want, dtype), name).toBe('');
      }
      weights.destroy();
    },
  );
});

/** Where two tensors differ in a bit; what is not a number may be any such. */
function firstDifference(got: Uint8Array, want: Uint8Array, dtype: 'f32' | 'f16'): string {
  if (got.byteLength !== want.byteLength) return `${got.byteLength} bytes, want ${want.byteLength}`;
  const bits = (bytes: Uint8Array): Uint16Array | Uint32Array =>
    dtype === 'f16' ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
  const exponent = dtype === 'f16' ? 0x7c00 : 0x7f800000;
  const magnitude = dtype === 'f16' ? 0x7fff : 0x7fffffff;
  const isNumber = (value: number): boolean => (value & magnitude) <= exponent;
  const [a, b] = [bits(got), bits(want)];
  const at = a.findIndex((value, i) => {
    const wanted = b[i] ?? 0;
    return value !== wanted && (isNumber(value) || isNumber(wanted));
  });
  return at < 0 ? '' : `value ${at}: got ${a[at]?.toString(16)}, want ${b[at]?.toString(16)}`;
}

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))('on $name', (open) => {
  it.each([
    ['f32', undefined],
    ['f16', 'i8'],
    ['f16', 'i4'],
  ] as const)('memory while weights load is foretold to the byte: %s, %s', async (...way) => {
    const [precision, type] = way;
    const real = await open.gpu();
    const shapes: Readonly<Record<string, Shape>> = { a: [300, 1030], b: [90, 4096], c: [77] };
    const store = new Store({
      ...{ folder: new FakeDisk().root, locks: new FakeLocks(), freeBytes: async () => Infinity },
    });
    const errors: unknown[] = [];
    const numbers: WeightSource = {
      info: (name) => ({ shape: shapes[name] ?? [] }),
      read: async (name) => values(sizeOf(shapes[name] ?? [])),
      packs: storedPacks(store, 'test', (error) => errors.push(error)),
    };
    const peakOf = async (gpu: Gpu, from: WeightSource): Promise<number> => {
      const graph = new Graph({ precision, quantise: () => type });
      for (const [name, shape] of Object.entries(shapes)) {
        graph.weight(name, shape, { quantisable: shape.length > 1 });
      }
      const meter = meterBuffers(gpu.device);
      const before = meter.liveBytes;
      meter.resetPeak();
      const weights = new WeightSet(gpu, from);
      await weights.load(graph);
      weights.destroy();
      expect(meter.liveBytes).toBe(before);
      return meter.peakBytes - before;
    };
    const measured = await peakOf(real, numbers);
    expect(errors).toEqual([]);
    expect(await store.list()).toHaveLength(type ? 1 : 0);
    expect(await peakOf(paperGpu(PAPER_CAPS), SHAPES_ALONE)).toBe(measured);
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

  it('is bound no further than it is written: a buffer may be larger than a binding', async () => {
    const gpu = paperGpu(PAPER_CAPS);
    const sizes: number[] = [];
    gpu.device.createBindGroup = ({ entries, ...group }) => {
      const { resource } = [...entries][1] ?? {};
      if (resource && 'size' in resource) sizes.push(resource.size ?? 0);
      return { label: '', ...group, __brand: 'GPUBindGroup' };
    };
    const graph = new Graph({ precision: 'f16' });
    const lengths = [640, 1024, 33];
    lengths.forEach((length, i) => graph.weight(`w${i}`, [8, length]));
    await new WeightSet(gpu, {
      info: (name) => ({ shape: [8, lengths[Number(name.slice(1))] ?? 0] }),
      read: async (name) => values(8 * (lengths[Number(name.slice(1))] ?? 0)),
    }).load(graph);
    expect(sizes).toEqual([640, 1024, 36].map((length) => 2 * 8 * length));
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
      const { buffer, byteOffset, byteLength } = slab.bytes;
      expect(byteLength).toBe(4 * slab.rows * width);
      joined.push(...new Float32Array(buffer, byteOffset, Math.min(3, byteLength / 4)));
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
