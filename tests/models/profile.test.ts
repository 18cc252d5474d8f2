import { describe, expect, it } from 'vitest';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { add, silu } from '../../src/engine/graph/ops/elementwise.ts';
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import { Profiler } from '../../src/engine/graph/profile.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, pipelinesOf } from '../helpers/graph.ts';

const noWeights = (key: string): never => {
  throw new Error(`no weight ${key}`);
};

describe.each(testGpus())('the profile on $name', ({ gpu: open }) => {
  const recorded = async () => {
    const gpu = await open();
    const graph = new Graph({ precision: 'f32' });
    const values = Float32Array.from({ length: 640 }, (_, i) => seeded('x', i));
    let x = given(gpu, graph, 'x', values, [10, 64]);
    for (let i = 0; i < 9; i++)
      x = graph.within(`block${i}`, () => normalise(add(silu(x), x), 'rms', 1e-6));
    graph.result('y', x);
    return {
      gpu,
      recording: await record(graph, { gpu, pipelines: pipelinesOf(gpu), weights: noWeights }),
    };
  };

  it('has the time of every dispatch, in order, under the stage that ran it', async () => {
    const { gpu, recording } = await recorded();
    const profiler = new Profiler(gpu);
    const executor = new Executor(gpu);
    executor.profiler = profiler;
    profiler.enter('first');
    await executor.replay(recording);
    profiler.enter('second');
    await executor.replay(recording);
    const device = profiler.spans.filter(({ track }) => track === 'device');
    const labels = recording.dispatches.map(({ label }) => label);
    expect(device.map(({ label }) => label)).toEqual([...labels, ...labels]);
    expect(device.map(({ stage }) => stage)).toEqual([
      ...labels.map(() => 'first'),
      ...labels.map(() => 'second'),
    ]);
    for (const { beginMs, endMs } of device) expect(endMs).toBeGreaterThanOrEqual(beginMs);
    expect(device.some(({ beginMs, endMs }) => endMs > beginMs)).toBe(true);
    const encoded = profiler.spans.filter(({ track }) => track === 'encode');
    expect(encoded.length).toBe(executor.submits);
  });

  it('changes no result', async () => {
    const { gpu, recording } = await recorded();
    await new Executor(gpu).replay(recording);
    const plain = await readTensor(gpu.device, recording.result('y'));
    const watched = new Executor(gpu);
    watched.profiler = new Profiler(gpu);
    await watched.replay(recording);
    expect(await readTensor(gpu.device, recording.result('y'))).toEqual(plain);
  });

  it('needs timestamps', async () => {
    const gpu = await open();
    const blind = { ...gpu, caps: { ...gpu.caps, timestamps: false } };
    expect(() => new Profiler(blind)).toThrow(expect.objectContaining({ code: 'gpu/timestamps' }));
  });
});

describe.each(testGpus())('the executor on $name', ({ gpu: open }) => {
  it('counts what it ran and what it took to encode', async () => {
    const gpu = await open();
    const graph = new Graph({ precision: 'f32' });
    graph.result('y', silu(given(gpu, graph, 'x', new Float32Array(64), [1, 64])));
    const recording = await record(graph, { gpu, pipelines: pipelinesOf(gpu), weights: noWeights });
    const executor = new Executor(gpu);
    for (let i = 0; i < 3; i++) await executor.replay(recording);
    expect(executor.stats).toMatchObject({
      dispatches: 3,
      submits: 3,
      arenaBytes: 256,
      worstFit: 1,
    });
    expect(executor.stats.encodeMs).toBeGreaterThan(0);
  });
});
