/** Group normalisation: moments of channels over slabs of pixels, merged to groups, then applied. */
import { EngineError } from '../../gpu/errors.ts';
import type { Activation } from '../../kernels/activation.ts';
import { groupMerge } from '../../kernels/group-merge.ts';
import { groupMoments } from '../../kernels/group-moments.ts';
import { groupNorm as groupNormKernel } from '../../kernels/group-norm.ts';
import type { Dims } from '../../kernels/kernel.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';

export type MomentsInputs = Inputs & { readonly x: Tensor };

export const groupMomentsOp: Op<MomentsInputs, Dims> = {
  name: 'group-moments',
  lower({ inputs: { x }, attrs: dims, outputs }: Node<MomentsInputs, Dims>) {
    return [{ kernel: groupMoments, tensors: { x, moments: outputs[0] }, dims }];
  },
};

export type MergeInputs = Inputs & { readonly moments: Tensor };

export const groupMergeOp: Op<MergeInputs, Dims> = {
  name: 'group-merge',
  lower({ inputs: { moments }, attrs: dims, outputs }: Node<MergeInputs, Dims>) {
    return [{ kernel: groupMerge, tensors: { moments, stats: outputs[0] }, dims }];
  },
};

export type GroupNormInputs = Inputs & {
  readonly x: Tensor;
  readonly stats: Tensor;
  readonly weight: Tensor | undefined;
  readonly bias: Tensor | undefined;
};

export type GroupNormAttrs = { readonly dims: Dims; readonly activation: Activation };

export const groupNormOp: Op<GroupNormInputs, GroupNormAttrs> = {
  name: 'group-norm',
  riders: ['activation'],
  lower({ inputs, attrs, outputs }: Node<GroupNormInputs, GroupNormAttrs>) {
    const values = { ACTIVATION: attrs.activation };
    const tensors = { ...inputs, y: outputs[0] };
    return [{ kernel: groupNormKernel, tensors, dims: attrs.dims, values }];
  },
};

export type GroupNormOptions = {
  readonly groups: number;
  readonly eps: number;
  /** Whether frames share their statistics, as in a norm over a whole clip; default no. */
  readonly acrossFrames?: boolean;
};

/** Pixels that one invocation sums: few enough to fill a device, enough to leave little to merge. */
const SPAN = 64;

/**
 * Returns mean and 1 / √(variance + eps) of each group of channels of x [T, ..., C]: [frames or 1, groups, 2].
 * Throws `graph/shape` when `groups` does not divide C.
 */
export function groupStats(x: Tensor, options: GroupNormOptions): Tensor {
  const { graph } = x;
  const dims = dimsOf(x, options);
  const { N = 1, slabs = 1, C = 1, G = 1 } = dims;
  const moments = graph.add(groupMomentsOp, { x }, dims, [N, slabs, 2, C], 'f32');
  return graph.add(groupMergeOp, { moments }, dims, [N, G, 2], 'f32');
}

/**
 * Returns x [T, H, W, C] with each group of C / groups neighbouring channels normalised over the pixels of its frame,
 * then scaled by weight [C] and shifted by bias [C]. Throws `graph/shape` when `groups` does not divide C.
 */
export function groupNorm(
  x: Tensor,
  options: GroupNormOptions,
  weight?: Tensor,
  bias?: Tensor,
): Tensor {
  const stats = groupStats(x, options);
  const attrs = { dims: dimsOf(x, options), activation: 'none' } as const;
  return x.graph.add(groupNormOp, { x, stats, weight, bias }, attrs, x.shape);
}

function dimsOf(
  { graph, shape }: Tensor,
  { groups, eps, acrossFrames = false }: GroupNormOptions,
): Dims {
  const C = shape.at(-1) ?? 1;
  if (C % groups !== 0) {
    throw new EngineError(
      'graph/shape',
      `group norm in ${graph.scope} — got ${C} channels, needs a multiple of ${groups}`,
      { have: C, need: groups },
    );
  }
  const pixels = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const N = acrossFrames ? 1 : (shape[0] ?? 1);
  const P = pixels / N;
  return { N, P, C, G: groups, span: SPAN, slabs: Math.ceil(P / SPAN), eps };
}
