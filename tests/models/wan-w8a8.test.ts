/** Products of 8-bit integers through a whole run, asked for by the setting. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Comparison } from '../../bench/quality/metrics.ts';
import type { WanFiles } from '../../src/engine/models/wan/animate.ts';
import { run } from '../../src/engine/pipeline.ts';
import type { RunFrame } from '../../src/engine/run.ts';
import { runnableWan } from '../../src/engine/run-wan.ts';
import type { Settings } from '../../src/engine/settings.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { storedPacks } from '../../src/engine/weights/packs.ts';
import { Store } from '../../src/engine/weights/store.ts';
import { testGpus } from '../helpers/devices.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';
import { randomModel, textWan } from '../helpers/wan-model.ts';

const umt5 = join(import.meta.dirname, '../fixtures/tokenizers/umt5.json');

/** 32 tokens: as many rows as integers are multiplied from. */
const settings = resolveSettings({
  ...{ prompt: 'red bird', steps: 3, frames: 5, seed: 3, fps: 16, guidance: 4 },
  size: { width: 64, height: 64 },
});

/** A model of random weights whose integers are kept in `store`. */
function modelIn(store: Store): WanFiles {
  const parts = randomModel(textWan);
  return {
    parts: {
      ...parts,
      weights: async (name, rename) => {
        const packs = storedPacks(store, name, (error) => expect(error).toBeUndefined());
        return Object.assign(await parts.weights(name, rename), { packs });
      },
    },
    tokenizer: bytesSource(readFileSync(umt5)),
    usual: {
      ...{ picture: 'unknown', sideMultiple: 32, frameMultiple: 4, fps: 16, frames: 5 },
      ...{ steps: 3, guidance: 4, shift: 3, solver: 'unipc' },
    },
  };
}

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'weights and activations of 8 bits on $name',
  (open) => {
    it('give about the frames of 8-bit weights, streamed or not, from what those have kept', async () => {
      const gpu = await open.gpu();
      const store = new Store({
        ...{ folder: new FakeDisk().root, locks: new FakeLocks(), freeBytes: async () => Infinity },
      });
      const model = runnableWan(modelIn(store));
      const made = async (change: Partial<Settings>) => {
        const frames: RunFrame[] = [];
        for await (const each of run(model, { settings: { ...settings, ...change } }, { gpu })) {
          frames.push(each);
        }
        const kept = (await store.list()).map(({ key, size }) => [key, size]);
        return { frames, kept };
      };
      const weights = await made({ weights: 'int8' });
      const both = await made({ weights: 'w8a8' });
      const comparison = new Comparison();
      both.frames.forEach((frame, i) => {
        const other = weights.frames[i];
        if (other) comparison.add({ ...frame, channels: 4 }, { ...other, channels: 4 });
      });
      expect(both.frames).toHaveLength(5);
      expect(comparison.likeness.psnr).toBeGreaterThan(40);
      expect(comparison.likeness.psnr, 'activations are rounded').toBeLessThan(100);
      expect(weights.kept.length).toBeGreaterThan(0);
      expect(both.kept).toEqual(weights.kept);
      const streamed = await made({ weights: 'w8a8', stream: true });
      expect(streamed.frames).toEqual(both.frames);
    });
  },
);
