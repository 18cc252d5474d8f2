/** Sampler trajectories: our tables, run by the kernel from device-resident state, with stored model outputs. */
import { createTensor, readTensor, writeTensor } from '../../../src/engine/gpu/tensor.ts';
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { tableRow } from '../../../src/engine/graph/ops/table.ts';
import { schedulerStep } from '../../../src/engine/graph/ops/scheduler.ts';
import { record } from '../../../src/engine/graph/record.ts';
import type {
  Sampler,
  SamplerKind,
  SamplerVariant,
  ScheduleOptions,
} from '../../../src/engine/sampling/sampler.ts';
import { samplerFor } from '../../../src/engine/sampling/sampler.ts';
import { SamplerState } from '../../../src/engine/sampling/state.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';

/** The solver that each prefix of a variant's tag stands for. */
const SOLVERS: Readonly<Record<string, readonly [SamplerKind, SamplerVariant]>> = {
  unipc: ['unipc', 'diffusers'],
  unipc_original: ['unipc', 'original'],
  flow_euler: ['flow_euler', 'diffusers'],
  flow_euler_original: ['flow_euler', 'original'],
  dpmpp_diffusers: ['dpmpp', 'diffusers'],
  dpmpp_original: ['dpmpp', 'original'],
};

/** Grids that a reference fixes in its code, by the reference's name. */
const FIXED_GRIDS: Readonly<Record<string, ScheduleOptions>> = {
  liveavatar: { steps: 4, shift: 3 },
};

const SUFFIX = '.model_outputs';

export const schedulers: Checker = {
  matches: (_, io) => io.some((name) => name.endsWith(SUFFIX)),
  async run(context) {
    const tags = context.io
      .names()
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length));
    const outputs: Output[] = [];
    for (const tag of tags) outputs.push(...(await runTrajectory(context, tag)));
    return outputs;
  },
};

async function runTrajectory(context: CaseContext, tag: string): Promise<Output[]> {
  const sampler = samplerOf(tag);
  const x0 = await context.io.read(`${tag}.x0`);
  const velocities = await context.io.read(`${tag}${SUFFIX}`);
  const samples = await trajectory(context, sampler, x0, velocities);
  return [
    { name: `${tag}.sigmas`, values: Float32Array.from(sampler.sigmas), measure: 'trajectory' },
    {
      name: `${tag}.timesteps`,
      values: Float32Array.from(sampler.timesteps),
      measure: 'trajectory',
    },
    { name: `${tag}.samples`, values: samples, measure: 'trajectory' },
  ];
}

/** The sampler that a tag like `unipc.steps10_shift3` names. */
function samplerOf(tag: string): Sampler {
  const [solver = '', grid = ''] = tag.split(/\.(.*)/s);
  const found = SOLVERS[solver];
  const numbers = /^steps(\d+)_shift(\d+(?:\.\d+)?)$/.exec(grid);
  const options = numbers
    ? { steps: Number(numbers[1]), shift: Number(numbers[2]) }
    : FIXED_GRIDS[grid];
  if (!found || !options) {
    throw new EngineError('verify/unknown', `trajectory ${tag} — no solver or grid known for it`);
  }
  return samplerFor(...found, options);
}

/** Returns the samples after each step, end to end: one recording of a step, replayed. */
async function trajectory(
  context: CaseContext,
  sampler: Sampler,
  x0: Values,
  velocities: Values,
): Promise<Float32Array> {
  const { gpu, pipelines, executor } = context;
  const steps = sampler.steps.length;
  const graph = new Graph({ precision: context.precision });
  const state = new SamplerState(gpu.device, sampler, [x0.values.length]);
  const table = createTensor(gpu.device, 'velocities', [steps, x0.values.length]);
  writeTensor(gpu.device, table, velocities.values);
  state.start(x0.values);
  const tensors = state.in(graph);
  schedulerStep(
    tensors,
    tableRow(graph.external(table), tensors.step),
    undefined,
    tensors.coefficients,
    tensors.step,
  );
  const step = await record(graph, { gpu, pipelines, weights: noWeights });
  const samples = new Float32Array(velocities.values.length);
  for (let i = 0; i < steps; i++) {
    await executor.replay(step);
    samples.set(await readTensor(gpu.device, state.x), i * x0.values.length);
  }
  step.destroy();
  state.destroy();
  table.buffer.destroy();
  return samples;
}

function noWeights(key: string): never {
  throw new EngineError('weights/missing', `weight ${key} — a sampler has none`);
}
