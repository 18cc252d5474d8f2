import { describe, expect, it } from 'vitest';
import type { CheckpointFiles } from '../../src/app/jobs/checkpoints.ts';
import { checkpointSink, loadCheckpoint } from '../../src/app/jobs/checkpoints.ts';
import type { Checkpoint } from '../../src/engine/index.ts';

/** Files in memory, which can fill up. */
function files() {
  const all = new Map<string, Uint8Array<ArrayBuffer>>();
  const written: string[] = [];
  let isFull = false;
  const store: CheckpointFiles = {
    async write(folder, file, pieces) {
      if (isFull) throw new DOMException('full', 'QuotaExceededError');
      written.push(file);
      all.set(`${folder}/${file}`, Uint8Array.from(pieces.flatMap((piece) => [...piece])));
    },
    read: async (folder, file) => all.get(`${folder}/${file}`),
    async remove(folder) {
      for (const key of all.keys()) if (key.startsWith(`${folder}/`)) all.delete(key);
    },
  };
  return { ...{ all, written, store }, fill: () => (isFull = true) };
}

const conditions = { prompt: Float32Array.of(1, 2, 3), 'naïve 名': new Float32Array(0) };
const at = (step: number, round = 0): Checkpoint => ({
  ...{ round, step, steps: 6, conditions },
  state: { x: Float32Array.of(step, -0, 1e-40), m1: Float32Array.of(NaN, Infinity) },
});

describe('checkpoints', () => {
  it('come back bit for bit', async () => {
    const { store } = files();
    const sink = checkpointSink(store, 'job', 'kind');
    await sink.save(at(2));
    await sink.save(at(3));
    expect(await loadCheckpoint(store, 'job', 'kind')).toEqual(at(3));
  });

  it('write what stays the same once', async () => {
    const { store, written } = files();
    const sink = checkpointSink(store, 'job', 'kind');
    for (const step of [1, 2, 3]) await sink.save(at(step));
    expect(written).toEqual(['conditions', 'state', 'state', 'state']);
  });

  it('are due after so much work', async () => {
    let now = 0;
    const { store } = files();
    const sink = checkpointSink(store, 'job', 'kind', { now: () => now });
    expect(sink.due()).toBe(false);
    now = 10_000;
    expect(sink.due()).toBe(true);
    await sink.save(at(1));
    expect(sink.due()).toBe(false);
  });

  it('of another kind, of another job, or of two rounds are not gone on with', async () => {
    const { store } = files();
    await checkpointSink(store, 'job', 'kind').save(at(2));
    expect(await loadCheckpoint(store, 'job', 'other')).toBeUndefined();
    expect(await loadCheckpoint(store, 'other', 'kind')).toBeUndefined();
    await checkpointSink(
      {
        ...store,
        write: (folder, file, bytes) =>
          file === 'state' ? store.write(folder, file, bytes) : Promise.resolve(),
      },
      'job',
      'kind',
    ).save(at(1, 1));
    expect(await loadCheckpoint(store, 'job', 'kind')).toBeUndefined();
  });

  it('that were cut short or are no files of ours are not gone on with', async () => {
    const { all, store } = files();
    await checkpointSink(store, 'job', 'kind').save(at(2));
    const whole = all.get('job/state') ?? new Uint8Array();
    for (const length of [0, 3, 10, whole.length - 4]) {
      all.set('job/state', whole.slice(0, length));
      expect(await loadCheckpoint(store, 'job', 'kind'), `${length} bytes`).toBeUndefined();
    }
    all.set(
      'job/state',
      Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256),
    );
    expect(await loadCheckpoint(store, 'job', 'kind')).toBeUndefined();
  });

  it('end with a word, once, when storage is full, and the run goes on', async () => {
    const { fill, store } = files();
    const errors: unknown[] = [];
    let now = 0;
    const sink = checkpointSink(store, 'job', 'kind', {
      now: () => now,
      onError: (error) => errors.push(error),
    });
    await sink.save(at(1));
    fill();
    await sink.save(at(2));
    now = 60_000;
    expect(sink.due()).toBe(false);
    await sink.save(at(3));
    expect(errors).toHaveLength(1);
    expect((await loadCheckpoint(store, 'job', 'kind'))?.step).toBe(1);
  });

  it('without a name are told of and not written', async () => {
    const { store, written } = files();
    const told: number[] = [];
    const sink = checkpointSink(store, undefined, 'kind', {
      onSaved: ({ step }) => told.push(step),
    });
    await sink.save(at(4));
    expect([told, written]).toEqual([[4], []]);
  });
});
