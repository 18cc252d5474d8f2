import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileStore } from '../../src/engine/tuning/node-store.ts';
import { bucketOf } from '../../src/engine/tuning/key.ts';
import { race } from '../../src/engine/tuning/race.ts';
import { readRecord } from '../../src/engine/tuning/store.ts';

/** Runs a race on a clock that only samples move. `times[i]` are the samples of way i, the last one repeated. */
async function runRace(times: readonly (readonly number[])[], deadline = Infinity) {
  const taken = times.map(() => 0);
  let clock = 0;
  const result = await race(times.length, {
    now: () => clock,
    deadline,
    sample: (index) => {
      const own = times[index] ?? [];
      const ms = own[Math.min(taken[index] ?? 0, own.length - 1)] ?? NaN;
      taken[index] = (taken[index] ?? 0) + 1;
      clock += ms;
      return Promise.resolve(ms);
    },
  });
  return { ...result, taken, clock };
}

describe('the race of variants', () => {
  it('is won by the fastest', async () => {
    expect(await runRace([[10], [7], [8]])).toMatchObject({ winner: 1, ratio: 0.7 });
  });

  it('goes to the default unless another is clearly faster', async () => {
    expect(await runRace([[10], [9.7], [10.2]])).toMatchObject({ winner: 0, ratio: 1 });
  });

  it('is not won by one lucky sample', async () => {
    expect(await runRace([[10], [5, 10.5, 10.5]])).toMatchObject({ winner: 0 });
  });

  it('asks a way that is far behind only once, and the default always', async () => {
    const { taken } = await runRace([[30], [7], [70]]);
    expect(taken).toEqual([3, 3, 1]);
  });

  it('ends at the deadline, and then the default wins what was not compared fully', async () => {
    const late = await runRace([[10], [1]], 10);
    expect(late).toMatchObject({ winner: 0, taken: [1, 0] });
    expect(await runRace([[10], [9], [8]], 36)).toMatchObject({ winner: 0, taken: [2, 1, 1] });
    expect(await runRace([[10], [5]], 27)).toMatchObject({ winner: 1, taken: [2, 2] });
  });

  it('needs no sample when there is one way alone', async () => {
    expect(await runRace([[10]])).toMatchObject({ winner: 0, ratio: 1, taken: [0] });
  });
});

describe('buckets of sizes', () => {
  it('are exact for small sizes, at most half as large again for others', () => {
    expect([1, 16, 32].map(bucketOf)).toEqual([1, 16, 32]);
    expect([33, 48, 49, 64, 1536, 8191, 8192].map(bucketOf)).toEqual([
      48, 48, 64, 64, 1536, 8192, 8192,
    ]);
    for (let size = 33; size < 5000; size++) {
      expect(bucketOf(size)).toBeGreaterThanOrEqual(size);
      expect(bucketOf(size)).toBeLessThanOrEqual(1.5 * size);
    }
  });
});

describe('a record of timings', () => {
  const entry = { kernel: 'matmul', values: { RM: 8, WIDE: true }, ratio: 0.8 };

  it('keeps what has the form of an entry and nothing else', () => {
    const damaged = {
      good: entry,
      a: null,
      b: { ...entry, ratio: 'x' },
      c: { ...entry, values: { RM: {} } },
      d: 3,
    };
    expect(readRecord(damaged)).toEqual({ good: entry });
    for (const nothing of [undefined, null, 'text', 7]) expect(readRecord(nothing)).toEqual({});
  });

  it('is kept in a file, one for each adapter', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tuning-'));
    const path = join(folder, 'tuning.json');
    try {
      const store = fileStore(path);
      expect(await store.load('a')).toBeUndefined();
      await store.save('a', { key: entry });
      await store.save('b', {});
      expect(await fileStore(path).load('a')).toEqual({ key: entry });
      expect(Object.keys(JSON.parse(await readFile(path, 'utf8')) as object)).toEqual(['a', 'b']);
      await writeFile(path, '{ cut');
      expect(await store.load('a')).toBeUndefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
