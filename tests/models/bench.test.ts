import { describe, expect, it } from 'vitest';
import { Filler, valueAt } from '../../bench/fill.ts';
import { relativeError } from '../../bench/ladder/ladder.ts';
import { wan5b } from '../../bench/ladder/wan5b.ts';
import { createTensor, readTensor } from '../../src/engine/gpu/tensor.ts';
import { testGpus } from '../helpers/devices.ts';
import { adapters, openGpu } from '../helpers/gpu.ts';

for (const { name, gpu: open } of testGpus()) {
  describe(`values made on ${name}`, () => {
    it.each(['f32', 'f16'] as const)('are those that the checks compute, in %s', async (dtype) => {
      const { device } = await open();
      const fill = { seed: 5, scale: 2, shift: 1 };
      const shape = [3, 2, 5];
      const tensor = createTensor(device, 'x', [5, 3, 2], dtype); // rows padded to four
      new Filler(device).write(tensor, fill, shape, [2, 0, 1]);
      const want = Array.from({ length: 30 }, (_, i) => {
        const [c, a, b] = [Math.floor(i / 6), Math.floor(i / 2) % 3, i % 2];
        return valueAt(fill, (a * 2 + b) * 5 + c);
      });
      expect([...(await readTensor(device, tensor))]).toEqual(want);
    });
  });
}

const [{ name } = { name: 'lavapipe' as const }] = adapters;

describe(`the ladder of wan5b on ${name}`, () => {
  it('ends with about the latent that it began with, in less memory and time', async () => {
    const { gpu } = await openGpu(name);
    const plain = await wan5b.run(gpu, { ...wan5b.base(3) }, 'tiny');
    const levers = {
      precision: 'f16',
      attention: 'fused',
      fusion: true,
      replay: true,
      context: 'kept',
      text: 'cut',
      weights: 'i8',
    } as const;
    const best = await wan5b.run(gpu, { ...wan5b.base(3), ...levers }, 'tiny');
    expect(plain.values.every(Number.isFinite)).toBe(true);
    const error = relativeError(best.values, plain.values);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.02);
    expect(best.dispatches).toBeLessThan(plain.dispatches / 2);
    expect(best.peakBytes).toBeLessThan(plain.peakBytes / 1.5);
    expect(best.weightBytes).toBeLessThan(plain.weightBytes / 1.5);
    expect(best.computed).toBe(3);
    const integers = await wan5b.run(gpu, { ...wan5b.base(3), ...levers, weights: 'w8a8' }, 'tiny');
    expect(relativeError(integers.values, best.values)).toBeGreaterThan(0);
    expect(relativeError(integers.values, plain.values)).toBeLessThan(0.02);
    expect(integers.weightBytes).toBe(best.weightBytes);
  });

  it('leaves steps out while the noise level hardly moves', async () => {
    const { gpu } = await openGpu(name);
    const levers = { attention: 'fused', fusion: true, replay: true, context: 'kept' } as const;
    const every = await wan5b.run(gpu, { ...wan5b.base(8), ...levers }, 'tiny');
    const some = await wan5b.run(gpu, { ...wan5b.base(8), ...levers, reuseWithin: 0.06 }, 'tiny');
    expect(every.computed).toBe(8);
    expect(some.computed).toBeLessThan(8);
    expect(relativeError(some.values, every.values)).toBeLessThan(0.1);
  });
});
