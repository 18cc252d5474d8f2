import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { add, affine } from '../../src/engine/graph/ops/elementwise.ts';
import { schedulerStep } from '../../src/engine/graph/ops/scheduler.ts';
import { tableRow } from '../../src/engine/graph/ops/table.ts';
import type { Recording } from '../../src/engine/graph/record.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { LoopProgress } from '../../src/engine/sampling/loop.ts';
import { runSteps } from '../../src/engine/sampling/loop.ts';
import { runOnCpu, samplerFor } from '../../src/engine/sampling/sampler.ts';
import { SamplerState } from '../../src/engine/sampling/state.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';

const SHAPE = [3, 5, 6];
const noise = Float32Array.from({ length: 90 }, (_, i) => seeded('noise', i));
const sampler = samplerFor('unipc', 'diffusers', { steps: 6, shift: 3 });
const guidance = (index: number): number => 2 + index;

const noWeights = (key: string): never => {
  throw new Error(`no weight ${key}`);
};

/** A step with two made-up networks, v = a x + bias[step] and u = b x, and guidance between them. */
async function recordStep(gpu: Gpu, state: SamplerState, a: number, b: number): Promise<Recording> {
  const graph = new Graph({ precision: 'f32' });
  const { step, coefficients, ...tensors } = state.in(graph);
  const biases = graph.constant(
    'biases',
    Float32Array.from({ length: 6 * 90 }, (_, i) => seeded('bias', i)),
    [6, ...SHAPE],
  );
  const row = tableRow(biases, step);
  const velocity = affine(tensors.x, a);
  schedulerStep(tensors, add(velocity, row), affine(tensors.x, b), coefficients, step);
  return record(graph, { gpu, pipelines: pipelinesOf(gpu), weights: noWeights });
}

/** The same on the CPU; `slope` is the first network's at a step. */
function reference(slope: (index: number) => number, b: number): Float32Array[] {
  return runOnCpu(sampler.steps, noise, (x, _step, index) =>
    x.map((value, i) => {
      const guided = slope(index) * value + seeded('bias', index * 90 + i);
      return b * value + guidance(index) * (guided - b * value);
    }),
  );
}

function expectClose(got: Float32Array, want: Float32Array | undefined): void {
  const worst = got.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (want?.[i] ?? NaN))),
    0,
  );
  expect(worst).toBeLessThan(1e-4 * Math.max(...(want ?? []).map(Math.abs)));
}

describe.each(testGpus())('the sampling loop on $name', (open) => {
  it('takes the trajectory of the reference from one recording, with guidance that changes', async () => {
    const gpu = await open.gpu();
    const state = new SamplerState(gpu.device, sampler, SHAPE, guidance);
    const step = await recordStep(gpu, state, 0.3, 0.2);
    state.start(noise);
    const samples: Float32Array[] = [];
    await runSteps(new Executor(gpu), 6, () => step, {
      onStep: async () => void samples.push(await readTensor(gpu.device, state.x)),
    });
    const want = reference(() => 0.3, 0.2);
    expect(samples).toHaveLength(6);
    samples.forEach((sample, i) => expectClose(sample, want[i]));
  });

  it('makes noise again after each step but the last, as the reference does', async () => {
    const gpu = await open.gpu();
    const distilled = samplerFor('renoise', 'diffusers', { steps: 4, shift: 5 });
    const fresh = (step: number): Float32Array => noise.map((_, i) => seeded(`noise ${step}`, i));
    const state = new SamplerState(gpu.device, distilled, SHAPE);
    const step = await recordStep(gpu, state, 0.3, 0.2);
    state.start(noise);
    const samples: Float32Array[] = [];
    await runSteps(
      new Executor(gpu),
      4,
      (index) => {
        if (index < 3) state.renoise(fresh(index));
        return step;
      },
      { onStep: async () => void samples.push(await readTensor(gpu.device, state.x)) },
    );
    // x <- (1 - s') (x - s v) + s' noise, in plain loops
    let x = noise;
    distilled.sigmas.slice(0, 4).forEach((sigma, index) => {
      const after = distilled.sigmas[index + 1] ?? NaN;
      const again = fresh(index);
      x = x.map((value, i) => {
        const clean = value - sigma * (0.3 * value + seeded('bias', index * 90 + i));
        return (1 - after) * clean + after * (again[i] ?? NaN);
      });
      expectClose(samples[index] ?? new Float32Array(), x);
    });
    expectClose(await readTensor(gpu.device, state.estimate), x);
  });

  it('starts over with bit-equal results and no read-back in between', async () => {
    const gpu = await open.gpu();
    const state = new SamplerState(gpu.device, sampler, SHAPE, guidance);
    const step = await recordStep(gpu, state, 0.3, 0.2);
    const run = async (): Promise<Float32Array> => {
      state.start(noise);
      await runSteps(new Executor(gpu), 6, () => step);
      return readTensor(gpu.device, state.x);
    };
    const first = await run();
    expectClose(first, reference(() => 0.3, 0.2)[5]);
    expect(await run()).toEqual(first);
  });

  it('switches between two networks on the way', async () => {
    const gpu = await open.gpu();
    const state = new SamplerState(gpu.device, sampler, SHAPE, guidance);
    const experts = [
      await recordStep(gpu, state, 0.3, 0.2),
      await recordStep(gpu, state, -0.4, 0.2),
    ] as const;
    state.start(noise);
    await runSteps(new Executor(gpu), 6, (index) => experts[index < 2 ? 0 : 1]);
    expectClose(
      await readTensor(gpu.device, state.x),
      reference((index) => (index < 2 ? 0.3 : -0.4), 0.2)[5],
    );
  });

  it('reports steps, share and time left', async () => {
    const gpu = await open.gpu();
    const state = new SamplerState(gpu.device, sampler, SHAPE, guidance);
    const step = await recordStep(gpu, state, 0.3, 0.2);
    state.start(noise);
    const seen: LoopProgress[] = [];
    await runSteps(new Executor(gpu), 6, () => step, {
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.map((progress) => progress.step)).toEqual(
      seen.map((progress) => progress.step).toSorted((a, b) => a - b),
    );
    expect(seen.at(-1)).toMatchObject({ step: 5, steps: 6 });
    expect(seen.at(-1)?.done).toBeCloseTo(1, 6);
    expect(
      seen
        .filter(({ step: index }) => index > 0)
        .every(({ leftMs }) => leftMs !== undefined && leftMs >= 0),
    ).toBe(true);
  });

  it('stops after the step in which it is cancelled', async () => {
    const gpu = await open.gpu();
    const state = new SamplerState(gpu.device, sampler, SHAPE, guidance);
    const step = await recordStep(gpu, state, 0.3, 0.2);
    state.start(noise);
    const controller = new AbortController();
    let done = 0;
    const run = runSteps(new Executor(gpu), 6, () => step, {
      signal: controller.signal,
      onStep: (count) => {
        done = count;
        if (count === 2) controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    expect(done).toBe(2);
  });

  it('refuses noise of the wrong size or with values that are not finite', async () => {
    const gpu = await open.gpu();
    const state = new SamplerState(gpu.device, sampler, SHAPE);
    const refusal = expect.objectContaining({ code: 'sampling/noise' });
    expect(() => state.start(noise.slice(1))).toThrow(refusal);
    expect(() => state.start(noise.map((value, i) => (i === 7 ? NaN : value)))).toThrow(refusal);
  });
});
