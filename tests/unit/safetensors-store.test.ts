import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import type { TensorToWrite } from '../helpers/safetensors-writer.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import type { Rename } from '../../src/engine/weights/weight-store.ts';

const f32 = (shape: number[], ...values: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(values),
});
const i8 = (shape: number[], ...values: number[]): TensorToWrite => ({
  dtype: 'I8',
  shape,
  data: Int8Array.from(values),
});
const halves = (shape: number[], ...bits: number[]): TensorToWrite => ({
  dtype: 'F16',
  shape,
  data: Uint16Array.from(bits),
});
const source = (tensors: Record<string, TensorToWrite>) =>
  bytesSource(writeSafetensors(Object.entries(tensors)));

describe('WeightStore', () => {
  it('reads from several files as from one', async () => {
    const store = await WeightStore.open([
      source({ a: f32([2], 1, 2) }),
      source({ b: f32([1], 3) }),
    ]);
    expect(store.names().sort()).toEqual(['a', 'b']);
    expect([...(await store.read('a')), ...(await store.read('b'))]).toEqual([1, 2, 3]);
    expect(store.has('c')).toBe(false);
    await expect(store.read('c')).rejects.toMatchObject({ code: 'weights/missing' });
  });

  it('refuses a name in two files', async () => {
    const twice = [source({ a: f32([1], 1) }), source({ a: f32([1], 2) })];
    await expect(WeightStore.open(twice)).rejects.toMatchObject({ code: 'weights/duplicate' });
  });

  it('finds a tensor under its other name, and rows of a joined one', async () => {
    const rename: Rename = (name) =>
      name === 'to_k.weight' ? { name: 'qkv.weight', rows: [1, 2] } : name.replace('to_out.0', 'o');
    const store = await WeightStore.open(
      [source({ 'o.weight': f32([1, 2], 5, 6), 'qkv.weight': f32([3, 2], 1, 2, 3, 4, 5, 6) })],
      rename,
    );
    expect(store.info('to_out.0.weight')).toMatchObject({ name: 'o.weight', shape: [1, 2] });
    expect([...(await store.read('to_out.0.weight'))]).toEqual([5, 6]);
    expect(store.info('to_k.weight').shape).toEqual([1, 2]);
    expect([...(await store.read('to_k.weight'))]).toEqual([3, 4]);
    expect(() => store.checkAllUsed()).not.toThrow();
  });

  it('refuses rows that the joined tensor does not have', async () => {
    const store = await WeightStore.open([source({ qkv: f32([2], 1, 2) })], () => ({
      name: 'qkv',
      rows: [1, 3],
    }));
    expect(() => store.info('k')).toThrow(expect.objectContaining({ code: 'weights/shape' }));
  });

  it('turns 8-bit weights into numbers with one scale a row, in any piece size', async () => {
    const file = source({
      w: i8([2, 3], 1, -2, 127, 4, 5, -128),
      'w.scale': halves([2], 0x3800, 0x4000), // 0.5 and 2
      plain: i8([2], 7, -7),
    });
    const rename: Rename = () => ({ name: 'w', rows: [1, 2] });
    const store = await WeightStore.open([file], rename);
    expect(store.names().sort()).toEqual(['plain', 'w']);
    expect([...(await store.read('w'))]).toEqual([0.5, -1, 63.5, 8, 10, -256]);
    expect([...(await store.read('plain'))]).toEqual([7, -7]);
    expect([...(await store.read('last row'))]).toEqual([8, 10, -256]);
    const pieces: number[][] = [];
    for await (const piece of store.pieces('w', 2)) pieces.push([...piece]);
    expect(pieces).toEqual([
      [0.5, -1],
      [63.5, 8],
      [10, -256],
    ]);
  });

  it.each([
    ['one scale for all', 'scale_weight', f32([], 3), [3, -6, 1344, NaN]],
    ['one scale a row', 'scale_weight', f32([2], 1, 10), [1, -2, 4480, NaN]],
    ['one scale a row, as a column', 'weight_scale', f32([2, 1], 1, 10), [1, -2, 4480, NaN]],
  ] as const)('reads e4m3 weights with %s', async (_what, ending, scale, want) => {
    const bytes = Uint8Array.of(0x38, 0xc0, 0x7e, 0x7f); // 1, -2, 448, not a number
    const store = await WeightStore.open([
      source({
        'model.diffusion_model.a.weight': { dtype: 'F8_E4M3', shape: [2, 2], data: bytes },
        [`model.diffusion_model.a.${ending}`]: scale,
        'model.diffusion_model.a.scale_input': f32([], 7),
        scaled_fp8: { dtype: 'F8_E4M3', shape: [0], data: new Uint8Array(0) },
      }),
    ]);
    expect(store.names()).toEqual(['a.weight']);
    expect([...(await store.read('a.weight'))]).toEqual(want);
    expect([...(await store.readRows('a.weight', 1, 2))]).toEqual(want.slice(2));
  });

  it('reads e5m2 weights', async () => {
    const bytes = Uint8Array.of(0x3c, 0xc0, 0x7b, 0x01); // 1, -2, 57344, 2^-16
    const store = await WeightStore.open([
      source({ w: { dtype: 'F8_E5M2', shape: [4], data: bytes } }),
    ]);
    expect([...(await store.read('w'))]).toEqual([1, -2, 57344, 2 ** -16]);
  });

  it('refuses a scale that does not fit its weight', async () => {
    const file = source({ w: i8([2], 1, 2), 'w.scale': halves([3], 0x3c00, 0, 0) });
    const store = await WeightStore.open([file]);
    await expect(store.read('w')).rejects.toMatchObject({
      code: 'weights/scale',
      have: 3,
      need: 2,
    });
  });

  it('names the first five tensors that nobody read, less those to ignore', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'norm_added_q'];
    const store = await WeightStore.open([
      source(Object.fromEntries(names.map((name) => [name, f32([1], 0)]))),
    ]);
    await store.read('b');
    expect(() => store.checkAllUsed([/norm_added_q$/])).toThrow(
      expect.objectContaining({
        code: 'weights/unknown',
        have: 6,
        message: expect.stringContaining('(a, c, d, e, f, …)'),
      }),
    );
    expect(() => store.checkAllUsed([/./])).not.toThrow();
  });

  it('names the tensors of the model that the files lack', async () => {
    const store = await WeightStore.open([source({ a: f32([1], 0) })]);
    expect(() => store.checkAllPresent(['a'])).not.toThrow();
    expect(() => store.checkAllPresent(['a', 'x', 'y'])).toThrow(
      expect.objectContaining({
        code: 'weights/missing',
        message: expect.stringContaining('(x, y)'),
      }),
    );
  });
});
