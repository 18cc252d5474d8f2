/** DDIM trajectories of diffusers and of DynamiCrafter's own code, and guidance with rescale, by the kernels. */
import { createTensor, readTensor, writeTensor } from '../../../src/engine/gpu/tensor.ts';
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { ddimStep, guided } from '../../../src/engine/graph/ops/ddim.ts';
import type { Outputs } from '../../../src/engine/graph/ops/ddim.ts';
import { tableRow } from '../../../src/engine/graph/ops/table.ts';
import { record } from '../../../src/engine/graph/record.ts';
import { parseDdimConfig } from '../../../src/engine/models/i2vgenxl/ddim-config.ts';
import { dynamiCrafterDdim } from '../../../src/engine/models/dynamicrafter/config.ts';
import type { DdimConfig, DdimSampler, Guidance } from '../../../src/engine/sampling/ddim.ts';
import { ddimSampler, dynamicScale } from '../../../src/engine/sampling/ddim.ts';
import { levelsOf } from '../../../src/engine/sampling/ddim-tables.ts';
import { DdimState } from '../../../src/engine/sampling/ddim-state.ts';
import type { CaseContext, Checker, Output } from '../case.ts';
import { joined, numberIn, objectIn } from '../json.ts';
import type { Json } from '../json.ts';

const START = '.in.x_T';

const trajectoryTags = (names: readonly string[]): string[] =>
  names.filter((name) => name.endsWith(START)).map((name) => name.slice(0, -START.length));

export const ddim: Checker = {
  matches: ({ variants }, io) => isJson(variants) && io.some((name) => name.endsWith(START)),
  async run(context) {
    const variants = objectIn(context.config, 'variants');
    const outputs: Output[] = [];
    for (const [name, variant] of Object.entries(variants)) {
      if (isJson(variant)) await checkTables(context, name, configOf(variant));
    }
    for (const tag of trajectoryTags(context.io.names())) {
      const [name = ''] = tag.split('.');
      outputs.push(...(await trajectory(context, tag, objectIn(variants, name))));
    }
    if (context.io.has('cfg.in.cond')) outputs.push(...(await rescaled(context)));
    return outputs;
  },
};

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** DynamiCrafter's variants name a parameterization, those of diffusers a beta schedule. */
const isOwn = (variant: Json): boolean => 'parameterization' in variant;

const configOf = (variant: Json): DdimConfig =>
  isOwn(variant) ? dynamiCrafterDdim(ownOptions(variant)) : parseDdimConfig(variant);

function ownOptions(variant: Json): Parameters<typeof dynamiCrafterDdim>[0] {
  const { base_scale: base, spacing } = variant;
  return {
    zeroSnr: variant['zero_snr'] === true,
    prediction: variant['parameterization'] === 'v' ? 'v_prediction' : 'epsilon',
    ...(typeof base === 'number' && { baseScale: base }),
    spacing: spacing === 'uniform' ? 'uniform' : 'uniform_trailing',
  };
}

/** Throws `verify/table` unless the tables of β and ᾱ are those that are stored. */
async function checkTables(context: CaseContext, name: string, config: DdimConfig): Promise<void> {
  const store = await context.open('model');
  const { alphas, betas } = levelsOf(config);
  for (const [table, values] of Object.entries({ alphas_cumprod: alphas, betas })) {
    const key = `${name}.${table}`;
    if (!store.has(key)) continue;
    const want = await store.read(key);
    const worst = Math.max(...values.map((value, i) => Math.abs(value - (want[i] ?? NaN))));
    if (!(worst < 1e-6)) throw new EngineError('verify/table', `${key} — got it ${worst} off`);
  }
}

type Run = {
  readonly sampler: DdimSampler;
  readonly guidance: Guidance;
  /** Stored outputs of the network calls, by what they are. */
  readonly sources: Readonly<Record<keyof Outputs, string | undefined>>;
  readonly results: { readonly x: string; readonly x0: string };
};

function runOf(context: CaseContext, tag: string, variant: Json): Run {
  const { io } = context;
  const own = isOwn(variant);
  const [, grid] = /\.s(\d+)\.eta(\d+(?:\.\d+)?)$/.exec(tag) ?? [];
  const steps = own ? numberIn(variant, 'steps') : Number(grid);
  const eta = own ? numberIn(variant, 'eta') : Number(/\.eta(.+)$/.exec(tag)?.[1]);
  const sampler = ddimSampler(configOf(variant), { steps, eta });
  const named = (name: string): string | undefined => (io.has(name) ? name : undefined);
  const imageScale = variant['cfg_img'];
  return {
    sampler,
    guidance: {
      scale: own ? numberIn(variant, 'guidance_scale') : 1,
      ...(typeof imageScale === 'number' && { imageScale }),
      rescale: own ? numberIn(variant, 'guidance_rescale') : 0,
    },
    sources: {
      conditional: own ? `${tag}.in.cond_outputs` : `${tag}.in.model_outputs`,
      unconditional: named(`${tag}.in.uncond_outputs`),
      imageOnly: named(`${tag}.in.image_only_outputs`),
    },
    results: { x: own ? `${tag}.out.x` : `${tag}.out.prev_samples`, x0: `${tag}.out.pred_x0` },
  };
}

async function trajectory(context: CaseContext, tag: string, variant: Json): Promise<Output[]> {
  const { io, gpu, pipelines, executor, precision } = context;
  const { sampler, guidance, sources, results } = runOf(context, tag, variant);
  const start = (await io.read(`${tag}${START}`)).values;
  const noise = io.has(`${tag}.in.noise`) ? (await io.read(`${tag}.in.noise`)).values : undefined;
  const graph = new Graph({ precision });
  const state = new DdimState(gpu.device, sampler, [start.length], guidance);
  const tensors = state.in(graph);
  const made: GPUBuffer[] = [];
  let run = 0;
  const output = async (name: string | undefined) => {
    if (name === undefined) return undefined;
    const { values, shape } = await io.read(name);
    run = shape[0] ?? 0;
    const table = createTensor(gpu.device, name, [run, start.length]);
    writeTensor(gpu.device, table, values);
    made.push(table.buffer);
    return tableRow(graph.external(table), tensors.step);
  };
  const conditional = await output(sources.conditional);
  if (!conditional) return [];
  const outputs = {
    conditional,
    unconditional: await output(sources.unconditional),
    imageOnly: await output(sources.imageOnly),
  };
  ddimStep(tensors, outputs, (guidance.rescale ?? 0) > 0);
  const step = await record(graph, { gpu, pipelines, weights: noWeights });
  state.start(start);
  const [samples, data]: [Float32Array[], Float32Array[]] = [[], []];
  for (let i = 0; i < run; i++) {
    if (noise) state.addNoise(noise.subarray(i * start.length, (i + 1) * start.length));
    await executor.replay(step);
    samples.push(await readTensor(gpu.device, state.x));
    data.push(await readTensor(gpu.device, state.x0));
  }
  step.destroy();
  state.destroy();
  made.forEach((buffer) => buffer.destroy());
  const kept = (name: string, values: readonly number[]): Output[] =>
    io.has(name) ? [{ name, values: Float32Array.from(values), measure: 'trajectory' }] : [];
  const { steps, timesteps } = sampler;
  const up = [...steps].reverse();
  const sigmas = steps.slice(0, run).map(({ sigma }) => sigma);
  const base = variant['base_scale'];
  const scales =
    typeof base === 'number' ? timesteps.map((t) => dynamicScale(base, t)).reverse() : [];
  return [
    { name: results.x, values: joined(samples), measure: 'trajectory' },
    { name: results.x0, values: joined(data), measure: 'trajectory' },
    ...kept(`${tag}.out.sigmas`, sigmas),
    ...kept(`${tag}.timesteps`, timesteps),
    ...kept(`${tag}.timesteps_ascending`, [...timesteps].reverse()),
    ...kept(
      `${tag}.sigmas`,
      up.map(({ sigma }) => sigma),
    ),
    ...kept(
      `${tag}.alphas`,
      up.map(({ level }) => level),
    ),
    ...kept(
      `${tag}.alphas_prev`,
      up.map(({ nextLevel }) => nextLevel),
    ),
    ...kept(`${tag}.scale`, scales),
    ...kept(`${tag}.scale_prev`, [scales[0] ?? 1, ...scales.slice(0, -1)]),
  ];
}

/** Guidance and its rescale on stored outputs, sample by sample. */
async function rescaled({ io, config, gpu, pipelines, executor }: CaseContext): Promise<Output[]> {
  const scale = numberIn(config, 'guidance_scale');
  const rescale = numberIn(config, 'guidance_rescale');
  const { values: c, shape } = await io.read('cfg.in.cond');
  const { values: u } = await io.read('cfg.in.uncond');
  const span = c.length / (shape[0] ?? 1);
  // With x0 = v the data prediction of a step is the guided and rescaled output itself.
  const still: DdimSampler = {
    steps: [
      {
        ...{ timestep: 0, level: 1, nextLevel: 1, sigma: 0 },
        ...{ x0: { x: 0, v: 1 }, eps: { x: 0, v: 0 }, next: { x0: 1, eps: 0, noise: 0 } },
      },
    ],
    timesteps: [0],
    clip: undefined,
  };
  const [plain, spread]: [Float32Array[], Float32Array[]] = [[], []];
  for (let at = 0; at < c.length; at += span) {
    const graph = new Graph({ precision: 'f32' });
    const state = new DdimState(gpu.device, still, [span], { scale, rescale });
    const part = (name: string, from: Float32Array) =>
      graph.constant(name, from.subarray(at, at + span), [span]);
    const tensors = state.in(graph);
    const outputs = { conditional: part('c', c), unconditional: part('u', u) };
    graph.result('guided', guided(tensors, outputs));
    ddimStep(tensors, outputs, true);
    const step = await record(graph, { gpu, pipelines, weights: noWeights });
    state.start(new Float32Array(span));
    await executor.replay(step);
    plain.push(await readTensor(gpu.device, step.result('guided')));
    spread.push(await readTensor(gpu.device, state.x0));
    step.destroy();
    state.destroy();
  }
  return [
    { name: 'cfg.out.guided', values: joined(plain), measure: 'trajectory' },
    { name: `cfg.out.rescaled_${rescale}`, values: joined(spread), measure: 'trajectory' },
  ];
}

function noWeights(key: string): never {
  throw new EngineError('weights/missing', `weight ${key} — a sampler has none`);
}
