/** Weights that arrive while a network runs: block by block in every step, and one expert in the place of the other. */
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { ComponentSource } from '../../src/engine/models/wan/components.ts';
import type { WanRequest } from '../../src/engine/models/wan/pipeline-request.ts';
import type { WanOptions } from '../../src/engine/models/wan/pipeline.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { storedPacks } from '../../src/engine/weights/packs.ts';
import { usualPolicy } from '../../src/engine/weights/policy.ts';
import { Store } from '../../src/engine/weights/store.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { testGpus } from '../helpers/devices.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { FakeLocks } from '../helpers/fake-locks.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import type { WanSettings } from '../helpers/wan-model.ts';
import { firstFrameWan, randomParts, twoExpertWan } from '../helpers/wan-model.ts';

/** Enough blocks that two of them are little. */
const deep = (settings: WanSettings): WanSettings => ({
  ...settings,
  transformer: { ...settings.transformer, num_layers: 5 },
  ...(settings.transformer_2 && {
    transformer_2: { ...settings.transformer_2, num_layers: 5 },
  }),
});

const image = {
  ...{ width: 32, height: 32, channels: 3 },
  data: Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => (i % 97) / 97),
};
const request: WanRequest = {
  ...{ prompt: [7, 3, 1], width: 32, height: 32, frames: 5, image },
  ...{ steps: 4, shift: 3, guidance: 4, seed: 5 },
};

type Model = ComponentSource & {
  /** Parts in the order in which their values are read, with the bytes of each read. */
  readonly reads: { readonly part: string; readonly bytes: number; readonly atMs: number }[];
};

/** A model of random weights that tells what is read of it; quantised weights are kept in `store`. */
function counted(settings: WanSettings, store?: Store): Model {
  const files = randomParts(settings);
  const reads: Model['reads'] = [];
  return {
    reads,
    has: (name) => files.has(name),
    config: async (name) => settings[name] ?? {},
    weights: async (name, rename) => {
      const bytes = files.get(name) ?? new Uint8Array();
      const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const source = bytesSource(bytes);
      const opened = await WeightStore.open(
        [
          {
            size: source.size,
            read: (start, end) => {
              if (start >= header)
                reads.push({ part: name, bytes: end - start, atMs: performance.now() });
              return source.read(start, end);
            },
          },
        ],
        rename,
      );
      const packs = store && storedPacks(store, name, (error) => expect(error).toBeUndefined());
      return packs ? Object.assign(opened, { packs }) : opened;
    },
  };
}

/** The same model, whose weights are read as numbers, and which tells of each before it is read. */
const hooked = (model: Model, before: (key: string) => void): Model => ({
  ...model,
  weights: async (name, rename) => {
    const store = await model.weights(name, rename);
    const { pieces } = store;
    return Object.assign(store, {
      raw: () => undefined,
      pieces: (key: string, chunk?: number) => {
        before(key);
        return pieces.call(store, key, chunk);
      },
    });
  },
});

const engineOf = (gpu: Gpu, more: Partial<Engine> = {}): Engine => ({
  ...{ gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu), precision: 'f32' },
  ...more,
});

async function run(engine: Engine, model: Model, options: WanOptions = {}, change = {}) {
  const meter = meterBuffers(engine.gpu.device);
  const before = meter.liveBytes;
  let peak = 0;
  const frames: Float32Array[] = [];
  const onProgress: WanOptions['onProgress'] = (progress) => {
    if (progress.stage === 'denoise') peak = Math.max(peak, meter.liveBytes - before);
    options.onProgress?.(progress);
  };
  const all = generate(engine, model, { ...request, ...change }, { ...options, onProgress });
  for await (const { data } of all) frames.push(data);
  return { frames, peak, left: meter.liveBytes - before };
}

const keepingStore = (): Store =>
  new Store({
    ...{ folder: new FakeDisk().root, locks: new FakeLocks(), freeBytes: async () => Infinity },
  });

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'weights that arrive while a network runs, on $name',
  (open) => {
    it.each([
      ['with a first frame, guided', firstFrameWan],
      ['with two experts', twoExpertWan],
    ])('give the same frames block by block, in less memory: %s', async (_what, settings) => {
      const gpu = await open.gpu();
      const whole = await run(engineOf(gpu), counted(deep(settings)));
      const model = counted(deep(settings));
      const streamed = await run(engineOf(gpu, { stream: true }), model);
      expect(streamed.frames).toEqual(whole.frames);
      expect(streamed.peak).toBeLessThan(whole.peak);
      expect([whole.left, streamed.left]).toEqual([0, 0]);
      const once = counted(deep(settings));
      await run(engineOf(gpu), once);
      const bytes = ({ reads }: Model): number =>
        reads
          .filter(({ part }) => part.startsWith('transformer'))
          .reduce((sum, each) => sum + each.bytes, 0);
      expect(bytes(model)).toBeGreaterThan(2 * bytes(once));
    });

    it('are read from what was kept in every step after the first start', async () => {
      const gpu = await open.gpu();
      const quantise = usualPolicy('i4');
      const whole = await run(engineOf(gpu, { quantise }), counted(deep(twoExpertWan)));
      const store = keepingStore();
      const bytes: number[] = [];
      for (const start of ['first', 'second']) {
        const model = counted(deep(twoExpertWan), store);
        const streamed = await run(engineOf(gpu, { quantise, stream: true }), model);
        expect(streamed.frames, start).toEqual(whole.frames);
        const read = model.reads.filter(({ part }) => part === 'transformer');
        bytes.push(read.reduce((sum, each) => sum + each.bytes, 0));
      }
      // What is not quantised, outside of the blocks, is read from the files each time.
      expect(bytes[1]).toBeLessThan((bytes[0] ?? 0) / 2);
    });

    it.each([
      ['as the files have them', undefined],
      ['from what was kept', 'i4'],
    ] as const)(
      'of the second expert are there when the first one ends, %s',
      async (_what, type) => {
        const gpu = await open.gpu();
        const quantise = type && usualPolicy(type);
        const store = type && keepingStore();
        // Streamed experts are loaded apart: what replaces a network in its place must give the same.
        const apart = await run(
          engineOf(gpu, { quantise, stream: true }),
          counted(deep(twoExpertWan)),
        );
        for (let start = 0; start < (store ? 2 : 1); start++) {
          const model = counted(deep(twoExpertWan), store);
          const ends: number[] = [];
          const { frames, left } = await run(engineOf(gpu, { quantise }), model, {
            onProgress: ({ stage, step = 0, done }) => {
              if (stage === 'denoise' && done * 4 > step) ends[step] = performance.now();
            },
          });
          expect(frames).toEqual(apart.frames);
          expect(left).toBe(0);
          const heir = model.reads.filter(({ part }) => part === 'transformer_2');
          const lastRead = Math.max(0, ...heir.map(({ atMs }) => atMs));
          expect(lastRead).toBeLessThan(ends[3] ?? 0);
        }
      },
    );

    it('leave nothing behind when the run is cancelled while an expert arrives', async () => {
      const gpu = await open.gpu();
      const meter = meterBuffers(gpu.device);
      const before = meter.liveBytes;
      for (const stream of [false, true]) {
        const abort = new AbortController();
        let denoising = false;
        const model = hooked(counted(deep(twoExpertWan)), (key) => {
          if (denoising && key.startsWith('blocks.3.')) abort.abort();
        });
        const cancelled = run(engineOf(gpu, { stream }), model, {
          signal: abort.signal,
          onProgress: ({ stage }) => (denoising = stage === 'denoise'),
        });
        await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
        expect(meter.liveBytes).toBe(before);
      }
    });

    it('end the run with their own failure', async () => {
      const gpu = await open.gpu();
      let denoising = false;
      const broken = hooked(counted(deep(twoExpertWan)), (key) => {
        if (denoising && key.startsWith('blocks.3.')) throw new Error('the disk is gone');
      });
      const failed = run(engineOf(gpu, { stream: true }), broken, {
        onProgress: ({ stage }) => (denoising = stage === 'denoise'),
      });
      await expect(failed).rejects.toThrow('the disk is gone');
    });
  },
);
