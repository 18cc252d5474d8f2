import { describe, expect, it } from 'vitest';
import { climb, relativeError } from '../../bench/ladder/ladder.ts';
import { newbie } from '../../bench/ladder/newbie.ts';
import { adapters, openGpu } from '../helpers/gpu.ts';

const [{ name } = { name: 'lavapipe' as const }] = adapters;

describe(`the ladder of newbie on ${name}`, () => {
  it('ends with about the latent that it began with, in fewer dispatches and bytes', async () => {
    const { gpu } = await openGpu(name);
    const plain = await newbie.run(gpu, newbie.base(3), 'tiny');
    const levers = {
      precision: 'f16',
      attention: 'fused',
      fusion: true,
      replay: true,
      context: 'kept',
      weights: 'i8',
    } as const;
    const best = await newbie.run(gpu, { ...newbie.base(3), ...levers }, 'tiny');
    expect(plain.values.every(Number.isFinite)).toBe(true);
    const error = relativeError(best.values, plain.values);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.05);
    expect(best.dispatches).toBeLessThan(plain.dispatches / 2);
    expect(best.weightBytes).toBeLessThan(plain.weightBytes / 1.5);
    expect(best.computed).toBe(3);
    const integers = await newbie.run(
      gpu,
      { ...newbie.base(3), ...levers, weights: 'w8a8' },
      'tiny',
    );
    expect(relativeError(integers.values, best.values)).toBeGreaterThan(0);
    expect(relativeError(integers.values, plain.values)).toBeLessThan(0.05);
    expect(integers.dispatches).toBeGreaterThan(best.dispatches);
  });

  it('ends with whole pictures of 28 steps, beside the ladder', () => {
    const rungs = newbie.rungs(2);
    const whole = rungs.filter(({ name }) => name.endsWith('28 steps'));
    expect(whole.map(({ aside, change }) => [aside, change.steps])).toEqual([
      [true, 28],
      [true, 28],
      [true, 28],
      [true, 28],
    ]);
    const names = rungs.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(climb(newbie.base(2), rungs).at(-1)).toMatchObject({ weights: 'w8a8', steps: 28 });
  });

  it('changes nothing when recordings are replayed and what is the same in every step is kept', async () => {
    const { gpu } = await openGpu(name);
    const plain = await newbie.run(gpu, newbie.base(3), 'tiny');
    const kept = await newbie.run(
      gpu,
      { ...newbie.base(3), replay: true, context: 'kept' },
      'tiny',
    );
    expect(relativeError(kept.values, plain.values)).toBeLessThan(1e-5);
  });
});
