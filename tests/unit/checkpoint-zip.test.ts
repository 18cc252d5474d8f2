import { describe, expect, it } from 'vitest';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import { openCheckpoint } from '../../src/engine/weights/checkpoint-zip.ts';
import { readPickle } from '../../src/engine/weights/pickle.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { checkpointOf, op, tensorPickle } from '../helpers/checkpoint-file.ts';

const floats = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);

const A = { key: '0', type: 'FloatStorage', count: 6, shape: [2, 3] };
const STORAGES = { '0': floats(1, 2, 3, 4, 5, 6), '1': Uint8Array.of(0, 0x3c, 0, 0x40) };
const MODEL = op.dictionary([
  ['epoch', op.count(3)],
  [
    'state_dict',
    op.dictionary([
      ['a.weight', tensorPickle(A)],
      ['a.tail', tensorPickle({ ...A, shape: [2], offset: 4 })],
      ['b.bias', tensorPickle({ key: '1', type: 'HalfStorage', count: 2, shape: [2] })],
    ]),
  ],
]);

const open = (pickle: Uint8Array, storages = STORAGES, options = {}): Promise<WeightStore> =>
  WeightStore.open([bytesSource(checkpointOf(pickle, storages, options))]);

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
  return 'nothing thrown';
};

describe('a checkpoint', () => {
  it.each([false, true])('gives its tensors, 64-bit sizes: %s', async (wide) => {
    const store = await open(op.pickle(MODEL), STORAGES, { wide });
    expect(store.names()).toEqual(['a.weight', 'a.tail', 'b.bias']);
    expect(store.info('a.weight').shape).toEqual([2, 3]);
    expect([...(await store.read('a.weight'))]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...(await store.read('a.tail'))]).toEqual([5, 6]);
    expect([...(await store.read('b.bias'))]).toEqual([1, 2]);
    expect([...(await store.readRows('a.weight', 1, 2))]).toEqual([4, 5, 6]);
  });

  it('takes a bare dictionary, and DeepSpeed names without their prefix', async () => {
    const bare = await open(op.pickle(op.dictionary([['w', tensorPickle(A)]])));
    expect(bare.names()).toEqual(['w']);
    const inner = op.dictionary([['_forward_module.w', tensorPickle(A)]]);
    expect((await open(op.pickle(op.dictionary([['module', inner]])))).names()).toEqual(['w']);
  });

  it('gives what lies in neighbouring storages with one request', async () => {
    const { tensors, source } = await openCheckpoint(
      bytesSource(checkpointOf(op.pickle(MODEL), STORAGES)),
    );
    const [weight, bias] = [tensors.get('a.weight'), tensors.get('b.bias')];
    const [start, end] = [weight?.start ?? 0, bias?.end ?? 0];
    const both = await source.read(start, end);
    expect(weight?.end).toBeLessThanOrEqual(bias?.start ?? 0);
    expect(both.length).toBe(end - start);
    for (const each of [weight, bias]) {
      const range = [each?.start ?? 0, each?.end ?? 0] as const;
      expect(both.subarray(range[0] - start, range[1] - start)).toEqual(
        await source.read(...range),
      );
    }
  });

  it('is read storage by storage, never as a whole', async () => {
    const inner = bytesSource(checkpointOf(op.pickle(MODEL), STORAGES));
    const reads: number[] = [];
    const source: ByteSource = {
      size: inner.size,
      read: (start, end) => {
        reads.push(end - start);
        return inner.read(start, end);
      },
    };
    const file = await openCheckpoint(source);
    reads.length = 0;
    const { start = 0, end = 0 } = file.tensors.get('a.weight') ?? {};
    await file.source.read(start, end);
    await file.source.read(start, end);
    expect(reads).toEqual([30, 24, 24]);
  });

  it('refuses tensors that are turned, too long, or of unknown kinds', async () => {
    const wrong = [
      { ...A, strides: [1, 2] },
      { ...A, shape: [7] },
      { ...A, count: 5, shape: [5] },
      { ...A, key: '9' },
      { ...A, type: 'QUInt8Storage' },
    ];
    for (const tensor of wrong) {
      const pickle = op.pickle(op.dictionary([['w', tensorPickle(tensor)]]));
      expect(await codeOf(() => open(pickle)), JSON.stringify(tensor)).toBe('weights/pickle');
    }
  });

  it('refuses archives that are packed, and files that are none', async () => {
    const packed = () => open(op.pickle(MODEL), STORAGES, { method: 8 });
    expect(await codeOf(packed)).toBe('weights/zip-compressed');
    expect(await codeOf(() => openCheckpoint(bytesSource(new Uint8Array(100))))).toBe(
      'weights/zip',
    );
  });
});

describe('a pickle', () => {
  const dangerous = [
    ['os.system', op.call(op.global('os', 'system'), op.tuple([op.text('true')]))],
    ['eval', op.call(op.global('builtins', 'eval'), op.tuple([op.text('1')]))],
    ['a numpy scalar', op.call(op.global('numpy.core.multiarray', 'scalar'), op.tuple([]))],
    ['an instance', Uint8Array.of(0x28, 0x69, 0x61, 0x0a, 0x62, 0x0a)],
    ['an object', Uint8Array.of(0x28, 0x6f)],
    ['an extension', Uint8Array.of(0x82, 1)],
    ['a new object', Uint8Array.from([...op.global('a', 'b'), 0x29, 0x81])],
    ['a state', Uint8Array.from([...op.global('a', 'b'), 0x7d, 0x62])],
  ] as const;

  it.each(dangerous)('never runs %s', async (_, root) => {
    expect(await codeOf(() => readPickle(op.pickle(root)))).toBe('weights/pickle-code');
  });

  it('keeps numbers, text and containers', () => {
    const bytes = Uint8Array.from([
      ...[0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, 0x5d, 0x94, 0x28],
      ...[0x4b, 7, 0x4a, 0xff, 0xff, 0xff, 0xff, 0x8a, 2, 0, 0x80, 0x8c, 1, 0x78, 0x94, 0x68, 1],
      ...[0x4e, 0x88, 0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x65, 0x2e],
    ]);
    expect(readPickle(bytes)).toEqual([7, -1, -32768, 'x', 'x', null, true, 1.5]);
  });

  it('ends in a typed error wherever it is cut', async () => {
    const whole = op.pickle(MODEL);
    for (let length = 0; length < whole.length; length++) {
      const code = await codeOf(() => readPickle(whole.subarray(0, length)));
      expect(code, `${length} bytes`).toMatch(/^weights\/pickle/);
    }
  });
});

describe('a damaged checkpoint', () => {
  it('gives its values or a typed error, whatever byte is changed', async () => {
    const whole = checkpointOf(op.pickle(MODEL), STORAGES);
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refused = 0;
    for (let round = 0; round < 1500; round++) {
      const bytes = Uint8Array.from(whole);
      for (let change = 0; change <= round % 3; change++) bytes[random(bytes.length)] = random(256);
      const cut = round % 5 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
      try {
        const file = await openCheckpoint(bytesSource(cut));
        for (const { start, end } of file.tensors.values()) {
          expect((await file.source.read(start, end)).length).toBe(end - start);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(300);
  });
});
