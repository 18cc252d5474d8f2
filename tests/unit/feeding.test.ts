import { describe, expect, it } from 'vitest';
import { Speed } from '../../src/app/storage/speed.ts';
import type { RecordedDispatch } from '../../src/engine/graph/record.ts';
import { Feeding, slotLoads, usesOf } from '../../src/engine/weights/feeding.ts';

const dispatches = (...reads: string[][]): RecordedDispatch[] =>
  reads.map((keys) => ({ reads: keys }) as unknown as RecordedDispatch);

const unitOf = (key: string): number | undefined => {
  const number = Number(key.slice(1));
  return key.startsWith('b') ? number : undefined;
};

describe('the weights that dispatches read', () => {
  it('are used from the first to the last that reads them', () => {
    const uses = usesOf(dispatches(['b0', 'x'], ['b1'], ['b0']));
    expect(uses.get('b0')).toEqual({ first: 0, last: 2 });
    expect(uses.get('x')).toEqual({ first: 0, last: 0 });
  });

  it('are loaded into slots before they are read, when the last reader of the slot is queued', () => {
    const loads = slotLoads(
      dispatches(['x', 'b0'], ['b0'], ['b1'], ['b2', 'x'], ['b3']),
      unitOf,
      2,
    );
    expect(loads).toEqual([
      { unit: 0, slot: 0, after: 0, before: 0 },
      { unit: 1, slot: 1, after: 0, before: 2 },
      { unit: 2, slot: 0, after: 2, before: 3 },
      { unit: 3, slot: 1, after: 3, before: 4 },
    ]);
  });

  it('are loaded again when a network runs twice in a step, but not while they are still there', () => {
    const twice = slotLoads(dispatches(['b0'], ['b1'], ['b2'], ['b0'], ['b1'], ['b2']), unitOf, 2);
    const told = twice.map(({ unit, before }) => `${unit} before ${before}`);
    expect(told).toEqual(['0 before 0', '1 before 1', '2 before 2', '0 before 3', '2 before 5']);
  });
});

describe('feeding a replay', () => {
  const writes = (log: string[], name: string) => async (): Promise<void> => {
    log.push(name);
  };

  it('lets dispatches run up to what is not there yet, and writes when the place is free', async () => {
    const log: string[] = [];
    const feeding = new Feeding([
      { after: 0, before: 0, write: writes(log, 'a') },
      { after: 2, before: 3, write: writes(log, 'b') },
    ]);
    expect(await feeding.ready(0)).toBe(3);
    expect(log).toEqual(['a']);
    feeding.queued(2);
    expect(await feeding.ready(2)).toBeGreaterThan(2);
    feeding.queued(3);
    expect(await feeding.ready(3)).toBe(Infinity);
    await feeding.end();
    expect(log).toEqual(['a', 'b']);
  });

  it('hands a failure to the replay, and writes nothing more when it is given up', async () => {
    const failing = new Feeding([
      { after: 0, before: 0, write: () => Promise.reject(new Error('gone')) },
    ]);
    await expect(failing.ready(0)).rejects.toThrow('gone');
    await expect(failing.end()).rejects.toThrow('gone');
    const log: string[] = [];
    const stopped = new Feeding([{ after: 5, before: Infinity, write: writes(log, 'late') }]);
    await stopped.stop();
    stopped.queued(9);
    await stopped.end();
    expect(log).toEqual([]);
  });
});

describe('the speed of a download', () => {
  it('is that of the last seconds, and unknown at first', () => {
    const speed = new Speed(8000);
    expect(speed.at(0, 500)).toBe(0);
    expect(speed.at(1000, 1500)).toBe(1000);
    for (let second = 2; second <= 20; second++)
      speed.at(1000 * second, 1500 + 3000 * (second - 1));
    expect(speed.at(21_000, 1500 + 3000 * 20)).toBeCloseTo(3000, 6);
    expect(speed.at(22_000, 10)).toBe(0); // another file
  });
});
