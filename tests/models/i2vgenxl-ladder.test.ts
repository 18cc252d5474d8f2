import { describe, expect, it } from 'vitest';
import { i2vgenxl } from '../../bench/ladder/i2vgenxl.ts';
import { climb, relativeError } from '../../bench/ladder/ladder.ts';
import { adapters, openGpu } from '../helpers/gpu.ts';

const [{ name } = { name: 'lavapipe' as const }] = adapters;

describe(`the ladder of i2vgenxl on ${name}`, () => {
  it('makes about the same latent with every lever on as with none, in fewer dispatches and bytes', async () => {
    const { gpu } = await openGpu(name);
    const base = i2vgenxl.base(1);
    const rungs = i2vgenxl.rungs(1);
    const at = climb(base, rungs)[rungs.findIndex((rung) => rung.change.context === 'kept')];
    const plain = await i2vgenxl.run(gpu, base, 'tiny');
    const best = await i2vgenxl.run(gpu, { ...base, ...at }, 'tiny');
    expect(plain.values.every(Number.isFinite)).toBe(true);
    const error = relativeError(best.values, plain.values);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.01);
    expect(best.dispatches).toBeLessThan(plain.dispatches / 1.5);
    expect(best.peakBytes).toBeLessThan(plain.peakBytes);
    expect(best.computed).toBe(50);
  });
});
