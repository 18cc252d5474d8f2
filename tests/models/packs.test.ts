/** Quantised weights kept in the browser's storage: the second load copies what the first one made. */
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readBytes } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { openSafetensors } from '../../src/engine/weights/safetensors.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import { storedPacks } from '../../src/engine/weights/packs.ts';
import { Store } from '../../src/engine/weights/store.ts';
import { WeightSet } from '../../src/engine/weights/upload.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { testGpus } from '../helpers/devices.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';

const [ROWS, WIDTH] = [96, 256];
const NAMES = ['a.weight', 'b.weight', 'bias'];

const file = writeSafetensors(
  NAMES.map((name) => {
    const shape = name === 'bias' ? [ROWS] : [ROWS, WIDTH];
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, (_, i) => seeded(name, i));
    return [name, { dtype: 'F32', shape, data }] as const;
  }),
);

/** What a load put on the device, and how many bytes of values it read from the checkpoint. */
async function load(gpu: Gpu, store: Store, errors: unknown[], type: 'i4' | 'i8' | undefined) {
  const header = Buffer.from(file).readUInt32LE(0) + 8;
  let valueBytes = 0;
  const source: ByteSource = {
    size: file.byteLength,
    async read(start, end) {
      if (start >= header) valueBytes += end - start;
      return bytesSource(file).read(start, end);
    },
  };
  const packs = storedPacks(store, 'team/tiny@0/transformer', (error) => errors.push(error));
  const weights = new WeightSet(
    gpu,
    new WeightStore([await openSafetensors(source)], undefined, packs),
  );
  const graph = new Graph({ precision: 'f16', quantise: () => type });
  graph.weight('a.weight', [ROWS, WIDTH], { quantisable: true });
  graph.weight('b.weight', [ROWS, WIDTH], { quantisable: true });
  graph.weight('bias', [ROWS]);
  await weights.load(graph);
  const bytes: Buffer[] = [];
  for (const tensor of graph.weights.values()) {
    for (const each of [tensor, graph.scales(tensor)]) {
      if (each) bytes.push(Buffer.from(await readBytes(gpu.device, weights.get(each.label))));
    }
  }
  weights.destroy();
  return { device: Buffer.concat(bytes), valueBytes };
}

const emptyStore = (free = Infinity) => {
  const disk = new FakeDisk();
  disk.free = free;
  const store = new Store({
    ...{ folder: disk.root, locks: new FakeLocks(), freeBytes: async () => disk.free },
  });
  return { disk, store };
};

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'quantised weights on $name',
  (open) => {
    it.each(['i4', 'i8'] as const)('are read from the checkpoint once: %s', async (type) => {
      const gpu = await open.gpu();
      const { store } = emptyStore();
      const errors: unknown[] = [];
      const first = await load(gpu, store, errors, type);
      expect(first.valueBytes).toBe(4 * (2 * ROWS * WIDTH + ROWS));
      const [entry] = await store.list();
      expect(entry?.finished).toBe(true);
      expect(entry?.size).toBeLessThan((type === 'i4' ? 0.2 : 0.3) * file.byteLength);
      const second = await load(gpu, store, errors, type);
      expect(second.valueBytes).toBe(0);
      expect(second.device.equals(first.device)).toBe(true);
      expect(errors).toEqual([]);
    });

    it('are not kept when nothing is quantised, and apart for each type', async () => {
      const gpu = await open.gpu();
      const { store } = emptyStore();
      await load(gpu, store, [], undefined);
      expect(await store.list()).toEqual([]);
      await load(gpu, store, [], 'i4');
      expect((await load(gpu, store, [], 'i8')).valueBytes).toBeGreaterThan(0);
      expect(await store.list()).toHaveLength(2);
    });

    it('are made again when what was kept is damaged, and the damage is told', async () => {
      const gpu = await open.gpu();
      const { disk, store } = emptyStore();
      const errors: unknown[] = [];
      const first = await load(gpu, store, errors, 'i4');
      for (const each of disk.files()) if (each.name === 'data') each.safe.fill(7, 100, 101);
      const second = await load(gpu, store, errors, 'i4');
      expect(second.valueBytes).toBe(first.valueBytes);
      expect(second.device.equals(first.device)).toBe(true);
      expect(errors).toMatchObject([{ code: 'weights/corrupt' }]);
      expect((await load(gpu, store, errors, 'i4')).valueBytes).toBe(0);
    });

    it('are kept once by runs that begin together, and left alone while others read them', async () => {
      const gpu = await open.gpu();
      const { store } = emptyStore();
      const errors: unknown[] = [];
      const [first, second] = await Promise.all([
        load(gpu, store, errors, 'i4'),
        load(gpu, store, errors, 'i4'),
      ]);
      expect(second.device.equals(first.device)).toBe(true);
      expect(errors).toEqual([]);
      const [entry] = await store.list();
      const kept = await store.open(entry?.key ?? '');
      const bytes = await kept?.read(0, 64);
      const packs = storedPacks(store, 'team/tiny@0/transformer');
      const name = entry?.key.split('#')[1] ?? '';
      const never = async function* (): AsyncGenerator<Uint8Array<ArrayBuffer>> {
        yield* [];
        throw new Error('written again');
      };
      await packs.keep(name, entry?.size ?? 0, never());
      expect(await kept?.read(0, 64)).toEqual(bytes);
    });

    it('are used without being kept when the storage is full, and that is told', async () => {
      const gpu = await open.gpu();
      const { store } = emptyStore(1000);
      const errors: unknown[] = [];
      const { device } = await load(gpu, store, errors, 'i4');
      expect(device.byteLength).toBeGreaterThan(0);
      expect(errors).toMatchObject([{ code: 'weights/quota' }]);
    });
  },
);
