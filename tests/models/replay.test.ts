import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import type { Precision, Tensor } from '../../src/engine/graph/graph.ts';
import { add, geluTanh, mul, silu } from '../../src/engine/graph/ops/elementwise.ts';
import { gatedResidual } from '../../src/engine/graph/ops/gate.ts';
import { slice } from '../../src/engine/graph/ops/layout.ts';
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import type { Recording } from '../../src/engine/graph/record.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, pipelinesOf } from '../helpers/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';

const values = (name: string, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => seeded(name, i));

/** A few transformer-like layers with constant weights: enough dispatches, odd sizes. */
function layers(gpu: Gpu, graph: Graph, depth: number): Tensor {
  const [rows, width] = [150, 24];
  let x = given(gpu, graph, 'x', values('x', rows * width), [rows, width]);
  const weight = (name: string): Tensor =>
    graph.constant(
      name,
      values(name, width * width).map((v) => v / 5),
      [width, width],
    );
  const gate = graph.constant('gate', values('gate', 2 * 6 * width), [2, 6, width]);
  for (let i = 0; i < depth; i++) {
    const h = normalise(x, 'layer', 1e-6);
    const wide = mul(silu(matmulWeight(h, weight(`up${i}`))), matmulWeight(h, weight(`gate${i}`)));
    x = gatedResidual(x, matmulWeight(wide, weight(`down${i}`)), gate, i % 6, 80);
    x = add(x, geluTanh(matmulWeight(x, weight(`last${i}`))));
  }
  return x;
}

async function recorded(
  gpu: Gpu,
  options: {
    precision?: Precision;
    fused?: boolean;
    depth?: number;
    maxDispatchFlops?: number;
  } = {},
): Promise<Recording> {
  const graph = new Graph({ precision: options.precision ?? 'f32' });
  graph.result('y', layers(gpu, graph, options.depth ?? 3));
  if (options.fused !== false) expect(fuse(graph)).toBeGreaterThan(0);
  return record(graph, {
    gpu,
    pipelines: pipelinesOf(gpu),
    weights: (key) => {
      throw new Error(`no weight ${key}`);
    },
    ...(options.maxDispatchFlops === undefined
      ? {}
      : { maxDispatchFlops: options.maxDispatchFlops }),
  });
}

const read = (gpu: Gpu, recording: Recording): Promise<Float32Array> =>
  readTensor(gpu.device, recording.result('y'));

function relative(got: Float32Array, want: Float32Array): number {
  const norm = (v: Float32Array): number => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  return norm(got.map((x, i) => x - (want[i] ?? NaN))) / norm(want);
}

describe.each(testGpus())('a recording on $name', (open) => {
  it.each(['f32', 'f16'] as const)(
    'gives bit-equal output each time it is replayed, in %s',
    async (precision) => {
      const gpu = await open.gpu();
      const recording = await recorded(gpu, { precision });
      const executor = new Executor(gpu);
      await executor.replay(recording);
      const first = await read(gpu, recording);
      await executor.replay(recording);
      expect(await read(gpu, recording)).toEqual(first);
      expect(first.every(Number.isFinite)).toBe(true);
      recording.destroy();
    },
  );

  it('gives what the unfused graph gives, with fewer dispatches', async () => {
    const gpu = await open.gpu();
    const [fused, plain] = [await recorded(gpu), await recorded(gpu, { fused: false })];
    const executor = new Executor(gpu);
    await executor.replay(fused);
    await executor.replay(plain);
    expect(fused.dispatches.length).toBeLessThan(plain.dispatches.length);
    expect(relative(await read(gpu, fused), await read(gpu, plain))).toBeLessThan(1e-6);
  });

  it('gives the same when large dispatches are cut', async () => {
    const gpu = await open.gpu();
    const [whole, cut] = [await recorded(gpu), await recorded(gpu, { maxDispatchFlops: 1e4 })];
    const executor = new Executor(gpu);
    await executor.replay(whole);
    await executor.replay(cut);
    expect(cut.dispatches.length).toBeGreaterThan(whole.dispatches.length);
    expect(await read(gpu, cut)).toEqual(await read(gpu, whole));
  });

  it('reports progress that rises to one, slice by slice', async () => {
    const gpu = await open.gpu();
    const recording = await recorded(gpu, { depth: 60 });
    const seen: number[] = [];
    const executor = new Executor(gpu);
    await executor.replay(recording, { onProgress: (done) => seen.push(done) });
    expect(seen.length).toBe(executor.submits);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBeCloseTo(1, 6);
  });

  it('stops at a slice when it is cancelled, and can run again', async () => {
    const gpu = await open.gpu();
    const recording = await recorded(gpu, { depth: 60 });
    const executor = new Executor(gpu);
    await executor.replay(recording);
    const want = await read(gpu, recording);
    const slow = new Executor(gpu); // its low first guess of speed makes many slices
    const controller = new AbortController();
    let slices = 0;
    const run = slow.replay(recording, {
      signal: controller.signal,
      onProgress: () => {
        slices++;
        controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    expect(slices).toBeLessThan(5);
    await executor.replay(recording);
    expect(await read(gpu, recording)).toEqual(want);
  });

  it('runs nothing when it is cancelled before the start', async () => {
    const gpu = await open.gpu();
    const recording = await recorded(gpu);
    const executor = new Executor(gpu);
    await expect(executor.replay(recording, { signal: AbortSignal.abort() })).rejects.toMatchObject(
      { name: 'AbortError' },
    );
    expect(executor.submits).toBe(0);
  });

  it('names the results it has when asked for another', async () => {
    const recording = await recorded(await open.gpu());
    expect(() => recording.result('z')).toThrow(
      expect.objectContaining({ code: 'graph/result', message: expect.stringContaining('"z"') }),
    );
  });

  it('refuses a graph that reads what nobody wrote', async () => {
    const gpu = await open.gpu();
    const graph = new Graph({ precision: 'f32' });
    const elsewhere = new Graph({ precision: 'f32' });
    const x = silu(given(gpu, elsewhere, 'x', [1, 2, 3, 4], [1, 4]));
    graph.result('y', slice({ ...x, graph }, 1, 0, 2));
    const weights = (): never => {
      throw new Error('none');
    };
    await expect(
      record(graph, { gpu, pipelines: pipelinesOf(gpu), weights }),
    ).rejects.toMatchObject({ code: 'graph/unwritten' });
  });
});
