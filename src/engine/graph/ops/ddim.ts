/** Guidance and steps of DDIM on tensors that stay on the device. */
import { pitchOf, rowsOf } from '../../gpu/tensor.ts';
import { ddimStep as stepKernel } from '../../kernels/ddim-step.ts';
import { guide as guideKernel } from '../../kernels/guide.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';
import { groupStats } from './group-norm.ts';
import { advance } from './scheduler.ts';

/** What a DDIM run keeps on the device; x, x0 and noise of one shape in f32. */
export type DdimTensors = {
  readonly x: Tensor;
  /** The data prediction of the last step. */
  readonly x0: Tensor;
  /** Noise of the coming step; none at η = 0. */
  readonly noise: Tensor | undefined;
  /** Rows [steps, 12] as `packDdim` writes them. */
  readonly coefficients: Tensor;
  readonly step: Tensor;
};

/** Outputs of a step's network calls: with the prompt, without anything, with the picture alone. */
export type Outputs = {
  readonly conditional: Tensor;
  readonly unconditional?: Tensor | undefined;
  readonly imageOnly?: Tensor | undefined;
};

const sizesOf = (x: Tensor, coefficients: Tensor): { groups: number; N: number } => ({
  groups: (rowsOf(x.shape) * pitchOf(x.shape)) / 4,
  N: coefficients.shape[0] ?? 1,
});

type GuideInputs = Inputs & {
  readonly c: Tensor;
  readonly u: Tensor;
  readonly image: Tensor | undefined;
  readonly coefficients: Tensor;
  readonly step: Tensor;
};

export const guideOp: Op<GuideInputs, null> = {
  name: 'guide',
  lower({ inputs, outputs }: Node<GuideInputs, null>) {
    const dims = sizesOf(inputs.c, inputs.coefficients);
    return [{ kernel: guideKernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

type StepInputs = Inputs &
  DdimTensors & {
    readonly v: Tensor;
    readonly conditional: Tensor | undefined;
    readonly guided: Tensor | undefined;
  };

export const ddimOp: Op<StepInputs, null> = {
  name: 'ddim-step',
  lower({ inputs }: Node<StepInputs, null>) {
    return [{ kernel: stepKernel, tensors: inputs, dims: sizesOf(inputs.x, inputs.coefficients) }];
  },
};

/** Returns the outputs of a step's calls as one, with the pulls in the step's row of coefficients. */
export function guided(state: DdimTensors, outputs: Outputs): Tensor {
  const { coefficients, step } = state;
  const { conditional: c, unconditional: u, imageOnly: image } = outputs;
  if (!u) return c;
  for (const { shape } of [c, u, ...(image ? [image] : [])]) {
    const need = `[${c.shape.join(', ')}]`;
    checkShape(shape.join() === c.shape.join(), c.graph, 'guidance', shape, need);
  }
  return c.graph.add(guideOp, { c, u, image, coefficients, step }, null, c.shape, 'f32');
}

/**
 * Moves the sampler's tensors on by one step and the counter by one. `rescale`: the guided output gets the spread of
 * the conditional one back, by the share in the row of coefficients.
 */
export function ddimStep(state: DdimTensors, outputs: Outputs, rescale: boolean): void {
  const { graph, shape } = state.x;
  const v = guided(state, outputs);
  checkShape(
    v.shape.join() === shape.join(),
    graph,
    'network output',
    v.shape,
    `[${shape.join()}]`,
  );
  const spreads = rescale && outputs.unconditional !== undefined;
  const options = { groups: 1, eps: 0, acrossFrames: true };
  const conditional = spreads ? groupStats(outputs.conditional, options) : undefined;
  const whole = spreads ? groupStats(v, options) : undefined;
  graph.effect(ddimOp, { ...state, v, conditional, guided: whole }, null);
  advance(state.step);
}
