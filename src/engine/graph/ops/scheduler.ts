/** Steps of a sampler on tensors that stay on the device. */
import { pitchOf, rowsOf } from '../../gpu/tensor.ts';
import { advance as advanceKernel } from '../../kernels/advance.ts';
import { schedulerStep as schedulerStepKernel } from '../../kernels/scheduler-step.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

/** What a sampler keeps between steps, all of one shape in f32: see sampling/terms.ts. */
export type SamplerTensors = {
  readonly x: Tensor;
  readonly m1: Tensor;
  readonly m2: Tensor;
  readonly xbar: Tensor;
};

export type SchedulerInputs = Inputs &
  SamplerTensors & {
    readonly velocity: Tensor;
    readonly unguided: Tensor | undefined;
    readonly coefficients: Tensor;
    readonly step: Tensor;
  };

export const schedulerOp: Op<SchedulerInputs, null> = {
  name: 'scheduler-step',
  lower({ inputs }: Node<SchedulerInputs, null>) {
    const { x, coefficients } = inputs;
    const dims = {
      groups: (rowsOf(x.shape) * pitchOf(x.shape)) / 4,
      N: coefficients.shape[0] ?? 1,
    };
    return [{ kernel: schedulerStepKernel, tensors: inputs, dims }];
  },
};

export const advanceOp: Op<Inputs & { readonly step: Tensor }, null> = {
  name: 'advance',
  lower: ({ inputs: { step } }: Node<Inputs & { readonly step: Tensor }, null>) => [
    { kernel: advanceKernel, tensors: { step }, dims: {} },
  ],
};

/** Adds one to the step counter [1]. */
export function advance(step: Tensor): void {
  step.graph.effect(advanceOp, { step }, null);
}

/**
 * Moves the sampler's tensors on by one step and the step counter by one. `coefficients` [N, 16] holds a row for each
 * step as `packSteps` writes it, with the guidance scale in column 14; `unguided` is the velocity without the prompt.
 */
export function schedulerStep(
  state: SamplerTensors,
  velocity: Tensor,
  unguided: Tensor | undefined,
  coefficients: Tensor,
  step: Tensor,
): void {
  const { graph, shape } = state.x;
  const need = `[${shape.join(', ')}]`;
  for (const tensor of [
    state.m1,
    state.m2,
    state.xbar,
    velocity,
    ...(unguided ? [unguided] : []),
  ]) {
    checkShape(tensor.shape.join() === shape.join(), graph, 'scheduler step', tensor.shape, need);
  }
  checkShape(
    coefficients.shape[1] === 16,
    graph,
    'coefficients',
    coefficients.shape,
    '[steps, 16]',
  );
  graph.effect(schedulerOp, { ...state, velocity, unguided, coefficients, step }, null);
  advance(step);
}
