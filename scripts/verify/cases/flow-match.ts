/** FlowMatchEuler with its options, and the solvers of the flow models that run from noise at t = 0 to data at t = 1. */
import { flowEulerSteps } from '../../../src/engine/sampling/flow-euler.ts';
import type { FlowMatchOptions } from '../../../src/engine/sampling/flow-match.ts';
import { flowMatchSchedule } from '../../../src/engine/sampling/flow-match.ts';
import type { OdeMethod, Transport } from '../../../src/engine/sampling/transport.ts';
import {
  channelShift,
  dpmTransport,
  odeTransport,
} from '../../../src/engine/sampling/transport.ts';
import type { CaseContext, Checker, Output } from '../case.ts';
import { joined, runTrajectory } from '../trajectory.ts';

type Json = Readonly<Record<string, unknown>>;

/** The case's own settings, which some cases hold under `config`. */
const settings = (config: Json): Json => (config['config'] as Json | undefined) ?? config;
const runsOf = (config: Json): readonly Json[] => (settings(config)['runs'] as Json[]) ?? [];

const trajectory = (name: string, values: ArrayLike<number>): Output => ({
  name,
  values: Float32Array.from(values),
  measure: 'trajectory',
});

export const flowMatch: Checker = {
  matches: (config, io) => 'mu_rule' in settings(config) && io.includes('in.noise'),
  async run(context) {
    const outputs: Output[] = [];
    const noise = await context.io.read('in.noise');
    for (const run of runsOf(context.config)) {
      const name = String(run['name']);
      const schedule = flowMatchSchedule(optionsOf(run));
      const sampler = { ...schedule, steps: flowEulerSteps(schedule) };
      const v = await context.io.read(`in.${name}.v`);
      const size = noise.values.length;
      const samples = await runTrajectory(context, sampler, noise.values, (_, __, i) =>
        v.values.subarray(i * size, (i + 1) * size),
      );
      outputs.push(
        trajectory(`out.${name}.sigmas`, schedule.sigmas),
        trajectory(`out.${name}.timesteps`, schedule.timesteps),
        trajectory(`out.${name}.x`, joined(samples)),
      );
    }
    return outputs;
  },
};

function optionsOf(run: Json): FlowMatchOptions {
  const cfg = run['cfg'] as Json;
  const type = cfg['time_shift_type'] === 'linear' ? 'linear' : 'exponential';
  const dynamic = cfg['use_dynamic_shifting'] === true;
  return {
    steps: Number(run['steps']),
    grid: run['sigmas'] === 'linear' ? 'linear' : 'own',
    shift: dynamic ? { mu: Number(run['mu']), type } : { factor: Number(cfg['shift'] ?? 1) },
    ...(typeof cfg['shift_terminal'] === 'number' && { terminal: cfg['shift_terminal'] }),
  };
}

export const transport: Checker = {
  matches: (config, io) => 'velocity' in settings(config) && io.includes('in.z'),
  async run(context) {
    const outputs: Output[] = [];
    for (const run of runsOf(context.config)) outputs.push(...(await solve(context, run)));
    return outputs;
  },
};

async function solve(context: CaseContext, run: Json): Promise<Output[]> {
  const { io, config } = context;
  const name = `out.${String(run['name'])}`;
  const [z, b, c] = [await io.read('in.z'), await io.read('in.b'), await io.read('in.c')];
  const { a, w } = settings(config);
  const table = tableOf(run, z.shape[1] ?? 1);
  const sampler = { sigmas: [], timesteps: [], steps: table.steps };
  const samples = await runTrajectory(context, sampler, z.values, (x, { timestep: t }) =>
    x.map(
      (value, i) =>
        Number(a) * value * Math.cos(Number(w) * t) +
        (b.values[i] ?? NaN) * (1 - t) +
        (c.values[i] ?? NaN) * t * t,
    ),
  );
  const points = [z.values, ...samples.filter((_, i) => (i + 1) % table.callsPerStep === 0)];
  const x = joined(points);
  const all = [
    trajectory(`${name}.x`, x),
    trajectory(`${name}.x_f64`, x),
    trajectory(`${name}.final`, points.at(-1) ?? []),
    trajectory(`${name}.grid`, table.grid),
    trajectory(
      `${name}.model_t`,
      table.steps.map(({ timestep }) => timestep),
    ),
  ];
  return all.filter((output) => io.has(output.name));
}

function tableOf(run: Json, channels: number): Transport {
  if ('flow_shift' in run) {
    const order = ([1, 2, 3] as const).find((known) => known === run['order']) ?? 2;
    return dpmTransport(order, Number(run['steps']), Number(run['flow_shift']));
  }
  const factor = run['time_shifting_factor'];
  const shift =
    run['do_shift'] === true
      ? channelShift(channels)
      : factor === null
        ? undefined
        : { factor: Number(factor) };
  return odeTransport(run['method'] as OdeMethod, Number(run['num_steps']), shift);
}
