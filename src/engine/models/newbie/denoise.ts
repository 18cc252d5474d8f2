/** Denoising: one step recorded with guidance and one without, replayed over a table of solver rows. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { createTensor, writeTensor } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/graph.ts';
import { guided } from '../../graph/ops/guidance.ts';
import { reshape } from '../../graph/ops/layout.ts';
import { schedulerStep } from '../../graph/ops/scheduler.ts';
import { tableRow } from '../../graph/ops/table.ts';
import type { Recording } from '../../graph/record.ts';
import { Scope } from '../../nn/module.ts';
import { prepare } from '../../nn/prepare.ts';
import type { Engine } from '../../nn/run-once.ts';
import { leaseWeights } from '../../nn/run-once.ts';
import type { Attended, AttendOptions } from '../../sampling/attended.ts';
import { attendSteps } from '../../sampling/attended.ts';
import type { Checkpoint, Values } from '../../sampling/checkpoint.ts';
import { SamplerState } from '../../sampling/state.ts';
import type { Transport } from '../../sampling/transport.ts';
import type { WeightLease } from '../../weights/keeper.ts';
import type { WeightSource } from '../../weights/upload.ts';

import type { NextDitConfig } from './config.ts';
import { modulationParts } from './modulation.ts';
import { nextDit } from './nextdit.ts';
import type { LatentGrid } from './request.ts';

/** What one text does to the network, the same for all steps but for the row of the table. */
export type Branch = {
  /** Rows of the context refiner: [L, width]. */
  readonly caption: Float32Array;
  /** Modulation for every row of the solver: [rows, parts, width]. */
  readonly modulation: Float32Array;
};

export type DenoisePlan = {
  readonly config: NextDitConfig;
  readonly grid: LatentGrid;
  readonly transport: Transport;
  readonly noise: Float32Array;
  readonly prompt: Branch;
  /** Without it there is no guidance. */
  readonly negativePrompt: Branch | undefined;
  readonly guidance: number;
  /** Time from which on there is no guidance. */
  readonly guideUntil: number;
  readonly guidanceLimit: number;
};

export type DenoiseOptions = Omit<AttendOptions, 'conditions' | 'onEstimate' | 'onSample'> & {
  /** Called with the latent after each step, which is then read back: for tests. */
  readonly onLatent?: ((latent: Float32Array) => void) | undefined;
  /** Called with what a step took the clean latent to be, by when the next one may be running; not by solvers that make no estimate. */
  readonly onEstimate?: ((latent: Float32Array, step: number, steps: number) => void) | undefined;
};

/**
 * Resolves to the clean latent [h, w, C], or to the last step's estimate of it where the loop was ended early, which
 * solvers without estimates are not. Rejects like `attendSteps`.
 */
export async function denoise(
  engine: Engine,
  source: WeightSource,
  plan: DenoisePlan,
  { onLatent, onEstimate, finishEarly, ...options }: DenoiseOptions = {},
): Promise<Attended> {
  const { device } = engine.gpu;
  const { steps, callsPerStep, estimates } = plan.transport;
  const { h, w, C } = plan.grid;
  const sampler = { sigmas: [], timesteps: [], steps };
  const state = new SamplerState(device, sampler, [h, w, C], () => plan.guidance);
  const weights = leaseWeights(engine, source);
  const tables = [plan.prompt, ...(plan.negativePrompt ? [plan.negativePrompt] : [])].map(
    (branch) => modulationTable(device, plan, branch),
  );
  const recordings = new Map<boolean, Recording>();
  const recordingOf = async (withGuidance: boolean): Promise<Recording> => {
    const known = recordings.get(withGuidance);
    if (known) return known;
    const recording = await recordStep(
      engine,
      weights,
      plan,
      state,
      withGuidance ? tables : tables.slice(0, 1),
    );
    recordings.set(withGuidance, recording);
    return recording;
  };
  try {
    state.start(plan.noise);
    const isGuided = (step: number): boolean =>
      tables.length > 1 && (steps[step]?.timestep ?? 1) < plan.guideUntil;
    const whole = steps.length / callsPerStep;
    const perStep =
      (look: (latent: Float32Array, step: number) => void) =>
      (latent: Float32Array, done: number): void => {
        if (done % callsPerStep === 0) look(latent, done / callsPerStep);
      };
    return await attendSteps(engine, steps.length, (step) => recordingOf(isGuided(step)), state, {
      ...options,
      ...(finishEarly && estimates && { finishEarly }),
      conditions: valuesOf(plan),
      onEstimate:
        estimates && onEstimate
          ? perStep((latent, step) => onEstimate(latent, step, whole))
          : undefined,
      onSample: onLatent && perStep(onLatent),
    });
  } finally {
    for (const recording of recordings.values()) recording.destroy();
    for (const { buffer } of tables) buffer.destroy();
    weights.release();
    state.destroy();
  }
}

/** What checkpoints hold beside the sampler's own values: the branches. */
const valuesOf = ({ prompt, negativePrompt }: DenoisePlan): Values => ({
  ...prompt,
  ...(negativePrompt && {
    negativeCaption: negativePrompt.caption,
    negativeModulation: negativePrompt.modulation,
  }),
});

/** Returns the branches that a checkpoint holds; none where there is no checkpoint. */
export function branchesIn(checkpoint: Checkpoint | undefined): readonly Branch[] {
  const { caption, modulation, negativeCaption, negativeModulation } = checkpoint?.conditions ?? {};
  if (!caption || !modulation) return [];
  if (!negativeCaption || !negativeModulation) return [{ caption, modulation }];
  const negative = { caption: negativeCaption, modulation: negativeModulation };
  return [{ caption, modulation }, negative];
}

function modulationTable(device: GPUDevice, plan: DenoisePlan, branch: Branch): DeviceTensor {
  const { count } = modulationParts(plan.config);
  const shape = [plan.transport.steps.length, count, plan.config.width];
  const table = createTensor(device, 'modulation', shape);
  writeTensor(device, table, branch.modulation);
  return table;
}

/** Records one step with the branches that have a table: the prompt's, and the negative one's for guidance. */
async function recordStep(
  engine: Engine,
  weights: WeightLease,
  plan: DenoisePlan,
  state: SamplerState,
  tables: readonly DeviceTensor[],
): Promise<Recording> {
  const graph = new Graph({ precision: engine.precision, quantise: engine.quantise });
  const { step, coefficients, ...tensors } = state.in(graph);
  const network = nextDit(plan.config)(new Scope(graph));
  const branches = [plan.prompt, plan.negativePrompt];
  const [c, u] = tables.map((table, i): Tensor => {
    const row = tableRow(graph.external(table), step);
    const caption = branches[i]?.caption ?? new Float32Array();
    const { width } = plan.config;
    return network({
      latent: tensors.x,
      caption: graph.constant(`caption ${i}`, caption, [caption.length / width, width]),
      modulation: reshape(row, [1, ...row.shape]),
    });
  });
  if (c) {
    const bound = u && plan.guidanceLimit > 0;
    const velocity = bound ? guided(c, u, plan.guidance, plan.guidanceLimit) : c;
    schedulerStep(tensors, velocity, bound ? undefined : u, coefficients, step);
  }
  return prepare(graph, engine, weights);
}
