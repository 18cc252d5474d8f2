import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { TuningRecord, TuningStore } from '../../src/engine/tuning/store.ts';
import { memoryStore } from '../../src/engine/tuning/store.ts';
import { Tuner } from '../../src/engine/tuning/tuner.ts';
import { testGpus } from '../helpers/devices.ts';
import { given } from '../helpers/graph.ts';

const values = (name: string, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => seeded(name, i));

const noWeights = (key: string): never => {
  throw new Error(`no weight ${key}`);
};

/** Two products of one size and a norm: two kinds of call. */
function layers(gpu: Gpu): Graph {
  const graph = new Graph({ precision: 'f32' });
  let x = given(gpu, graph, 'x', values('x', 70 * 48), [70, 48]);
  for (const name of ['a', 'b']) {
    const weight = graph.constant(name, values(name, 48 * 48), [48, 48]);
    x = normalise(matmulWeight(x, weight), 'rms', 1e-6);
  }
  graph.result('y', x);
  return graph;
}

/** Long enough for compilers on a processor. */
const AMPLE_MS = 100_000;

async function run(gpu: Gpu, store: TuningStore | undefined, budgetMs = AMPLE_MS) {
  const pipelines = new PipelineCache(gpu.device);
  const tuner = store && (await Tuner.open({ gpu, pipelines, store, budgetMs }));
  pipelines.tuning = tuner;
  gpu.device.pushErrorScope('validation');
  const recording = await record(layers(gpu), { gpu, pipelines, weights: noWeights });
  await new Executor(gpu).replay(recording);
  expect((await gpu.device.popErrorScope())?.message).toBeUndefined();
  const y = await readTensor(gpu.device, recording.result('y'));
  const kernels = recording.dispatches.map(({ kernel }) => kernel);
  recording.destroy();
  return { y, kernels, tuner };
}

describe.each(testGpus())('the tuner on $name', ({ gpu: open }) => {
  it('times each kind of call once, and nothing the second time', async () => {
    const gpu = await open();
    const store = memoryStore();
    const first = await run(gpu, store);
    expect(first.tuner?.timed).toBe(2);
    const entries = Object.entries(first.tuner?.record ?? {});
    expect(new Set(entries.map(([key]) => key.split(' ')[0]))).toEqual(new Set(['matmul', 'norm']));
    for (const [, { ratio }] of entries) expect(ratio).toBeLessThanOrEqual(1);
    const second = await run(gpu, store);
    expect(second.tuner?.timed).toBe(0);
    expect(second.kernels).toEqual(first.kernels);
    expect(second.y).toEqual(first.y);
    const { y: want } = await run(gpu, undefined);
    first.y.forEach((value, i) => expect(value).toBeCloseTo(want[i] ?? NaN, 4));
  });

  it('follows what the store says', async () => {
    const gpu = await open();
    const kept = memoryStore();
    const { tuner } = await run(gpu, kept);
    const forced: TuningRecord = Object.fromEntries(
      Object.keys(tuner?.record ?? {}).map((key) => [
        key,
        key.startsWith('matmul')
          ? { kernel: 'matmul', values: { RM: 2 }, ratio: 0.5 }
          : { kernel: 'norm', values: { TEAM: 16, SUBGROUPS: false }, ratio: 0.5 },
      ]),
    );
    const store: TuningStore = { ...kept, load: () => Promise.resolve(forced) };
    const { kernels } = await run(gpu, store);
    expect(kernels).toEqual(['matmul', 'norm', 'matmul', 'norm']);
  });

  it('leaves what its budget does not reach to the default, for good', async () => {
    const gpu = await open();
    const store = memoryStore();
    const hasty = await run(gpu, store, 1e-6);
    expect(hasty.tuner?.timed).toBeLessThan(2);
    expect(Object.keys(hasty.tuner?.record ?? {}).length).toBe(2);
    const later = await run(gpu, store);
    expect(later.tuner?.timed).toBe(0);
    expect(later.kernels).toEqual((await run(gpu, undefined)).kernels);
  });

  it('passes over variants that the compiler refuses', async () => {
    const gpu = await open();
    const pipelines = new PipelineCache(gpu.device);
    const get = pipelines.get.bind(pipelines);
    pipelines.get = (variant) =>
      variant.kernel.name === 'norm' && variant.values['TEAM'] === 4
        ? Promise.reject(new Error('refused'))
        : get(variant);
    const options = { gpu, pipelines, store: memoryStore(), budgetMs: AMPLE_MS };
    const tuner = await Tuner.open(options);
    pipelines.tuning = tuner;
    (await record(layers(gpu), { gpu, pipelines, weights: noWeights })).destroy();
    expect(tuner.timed).toBe(2);
    expect(tuner.refused.length).toBeGreaterThan(0);
    expect(tuner.refused.every(({ choice }) => choice.values['TEAM'] === 4)).toBe(true);
  });

  it('only looks up when it has no time, and works without a store that works', async () => {
    const gpu = await open();
    const idle = await run(gpu, memoryStore(), 0);
    expect(idle.tuner?.timed).toBe(0);
    const plain = await run(gpu, undefined);
    expect(idle.kernels).toEqual(plain.kernels);
    const errors: unknown[] = [];
    const broken: TuningStore = {
      load: () => Promise.reject(new Error('load')),
      save: () => Promise.reject(new Error('save')),
    };
    const pipelines = new PipelineCache(gpu.device);
    const tuner = await Tuner.open({
      ...{ gpu, pipelines, store: broken, budgetMs: AMPLE_MS },
      onStoreError: (error) => errors.push(error),
    });
    pipelines.tuning = tuner;
    const recording = await record(layers(gpu), { gpu, pipelines, weights: noWeights });
    expect(tuner.timed).toBe(2);
    expect(errors.map(String)).toEqual(['Error: load', 'Error: save']);
    recording.destroy();
  });
});
