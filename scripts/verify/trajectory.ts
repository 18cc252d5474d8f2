/** Runs a table of sampler steps by the kernel, from device-resident state, with velocities that a case gives. */
import { createTensor, readTensor, writeTensor } from '../../src/engine/gpu/tensor.ts';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { schedulerStep } from '../../src/engine/graph/ops/scheduler.ts';
import { record } from '../../src/engine/graph/record.ts';
import type { Sampler, SamplerStep } from '../../src/engine/sampling/sampler.ts';
import { SamplerState } from '../../src/engine/sampling/state.ts';
import type { CaseContext } from './case.ts';

/** The velocity that a network would give for a sample at a step. */
export type Field = (x: Float32Array, step: SamplerStep, index: number) => Float32Array;

/** Resolves to the sample after each row of the table; one recording of a step, replayed. */
export async function runTrajectory(
  context: CaseContext,
  sampler: Sampler,
  x0: Float32Array,
  field: Field,
): Promise<Float32Array[]> {
  const { gpu, pipelines, executor } = context;
  const graph = new Graph({ precision: context.precision });
  const state = new SamplerState(gpu.device, sampler, [x0.length]);
  const velocity = createTensor(gpu.device, 'velocity', [x0.length]);
  state.start(x0);
  const tensors = state.in(graph);
  const { coefficients, step } = tensors;
  schedulerStep(tensors, graph.external(velocity), undefined, coefficients, step);
  const recording = await record(graph, { gpu, pipelines, weights: noWeights });
  const samples: Float32Array[] = [];
  let x = x0;
  for (const [index, row] of sampler.steps.entries()) {
    writeTensor(gpu.device, velocity, field(x, row, index));
    await executor.replay(recording);
    x = await readTensor(gpu.device, state.x);
    samples.push(x);
  }
  recording.destroy();
  state.destroy();
  velocity.buffer.destroy();
  return samples;
}

/** Returns arrays end to end. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function noWeights(key: string): never {
  throw new EngineError('weights/missing', `weight ${key} — a sampler has none`);
}
