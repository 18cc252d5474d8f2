/** Convolution layers, under their checkpoint keys: on frames one by one, and causal in time over a stream of chunks. */
import { conv, remember } from '../graph/ops/conv.ts';
import type { GroupNormOptions } from '../graph/ops/group-norm.ts';
import { groupNorm as normaliseGroups } from '../graph/ops/group-norm.ts';
import { normalise } from '../graph/ops/norm.ts';
import type { Tensor } from '../graph/graph.ts';
import type { Dtype } from '../gpu/tensor.ts';
import type { Stream } from './histories.ts';
import type { Layer } from './layers.ts';
import type { Module, Scope } from './module.ts';

type Triple = readonly [number, number, number];

const product = (kernel: readonly number[]): number => kernel.reduce((a, b) => a * b, 1);

/** The packed weights of a convolution: [out, taps, in]. */
function weightsOf(
  scope: Scope,
  options: { in: number; out: number; kernel: readonly number[]; bias?: boolean },
): { weight: Tensor; bias: Tensor | undefined } {
  const { in: ins, out, kernel } = options;
  const shape = [out, product(kernel), ins];
  return {
    weight: scope.weight('weight', [out, ins, ...kernel], { shape, packing: 'conv' }),
    bias: options.bias === false ? undefined : scope.weight('bias', [out]),
  };
}

export type Conv2dOptions = {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros above and to the left, then below and to the right; default half the kernel. */
  readonly pad?: readonly [before: number, after: number];
  /** Doubles rows and columns of the input first. */
  readonly upsample?: boolean;
  readonly bias?: boolean;
  /** Storage of the result where the graph's own choice would not hold it. */
  readonly dtype?: Dtype | undefined;
};

/** 2-D convolution of each frame: [T, H, W, in] -> [T, H', W', out]. */
export const conv2d =
  (options: Conv2dOptions): Module<Layer> =>
  (scope) => {
    const { kernel, stride = 1, upsample = false } = options;
    const half = Math.floor(kernel / 2);
    const [before, after] = options.pad ?? [half, half];
    const { weight, bias } = weightsOf(scope, { ...options, kernel: [kernel, kernel] });
    return (x) =>
      conv(x, weight, bias, {
        kernel: [1, kernel, kernel],
        stride: [1, stride, stride],
        before: [0, before, before],
        after: [0, after, after],
        upsample,
        dtype: options.dtype,
      });
  };

/** Convolution along the frames alone, zeros before the first and behind the last: [T, H, W, in] -> [T, H, W, out]. */
export const frameConv =
  (options: {
    readonly in: number;
    readonly out: number;
    readonly kernel: number;
  }): Module<Layer> =>
  (scope) => {
    const kernel: Triple = [options.kernel, 1, 1];
    const half: Triple = [Math.floor(options.kernel / 2), 0, 0];
    const { weight, bias } = weightsOf(scope, { ...options, kernel });
    return (x) => conv(x, weight, bias, { kernel, before: half, after: half });
  };

/**
 * Convolution over frames and pixels, causal in time and zero-padded in space: [T, H, W, in] -> [T, H, W, out].
 * `residual` is added to the result. Frames before the chunk come from the stream.
 */
export const causalConv =
  (
    stream: Stream,
    options: { in: number; out: number; kernel: number },
  ): Module<(x: Tensor, residual?: Tensor) => Tensor> =>
  (scope) => {
    const { kernel: k } = options;
    const side = Math.floor(k / 2);
    const { weight, bias } = weightsOf(scope, { ...options, kernel: [k, k, k] });
    return (x, residual) => {
      const hist = historyOf(stream, scope, x, k - 1);
      const y = conv(x, weight, bias, {
        kernel: [k, k, k],
        before: [k - 1, side, side],
        after: [0, side, side],
        hist: stream.part === 'next' ? hist : undefined,
        residual,
      });
      if (hist) remember(hist, x, stream.part === 'first');
      return y;
    };
  };

/**
 * Convolution over frames alone that leaves out the first chunk: undefined there. `frames` is how many frames it looks
 * back; `atFirst` says whether the first chunk counts as seen or the history starts with zeros at the second.
 */
export const laterConv =
  (
    stream: Stream,
    options: {
      readonly in: number;
      readonly out: number;
      readonly kernel: number;
      readonly stride: number;
      readonly frames: number;
      readonly atFirst: 'seen' | 'unseen';
    },
  ): Module<(x: Tensor) => Tensor | undefined> =>
  (scope) => {
    const { frames, atFirst } = options;
    const kernel: Triple = [options.kernel, 1, 1];
    const { weight, bias } = weightsOf(scope, { ...options, kernel });
    return (x) => {
      const hist = historyOf(stream, scope, x, frames);
      if (stream.part !== 'next') {
        if (hist) remember(hist, atFirst === 'seen' ? x : undefined, true);
        return undefined;
      }
      const stride: Triple = [options.stride, 1, 1];
      const y = conv(x, weight, bias, { kernel, stride, before: [frames, 0, 0], hist });
      if (hist) remember(hist, x, false);
      return y;
    };
  };

function historyOf(stream: Stream, scope: Scope, x: Tensor, frames: number): Tensor | undefined {
  if (stream.part === 'image' || frames === 0) return undefined;
  return stream.history(scope.graph, scope.path, [frames, ...x.shape.slice(1)]);
}

/** Normalisation over the channels of each pixel, x / max(‖x‖₂, 1e-12) · √C · gamma. */
export const channelNorm =
  (channels: number): Module<Layer> =>
  (scope) => {
    const gamma = scope.weight('gamma', [channels]);
    return (x) => normalise(x, 'l2', 1e-12, gamma);
  };

/** Group norm over the pixels of each frame, or of all frames, with weights: [T, H, W, C], unchanged in shape. */
export const groupNorm =
  (options: GroupNormOptions & { readonly channels: number }): Module<Layer> =>
  (scope) => {
    const weight = scope.weight('weight', [options.channels]);
    const bias = scope.weight('bias', [options.channels]);
    return (x) => normaliseGroups(x, options, weight, bias);
  };
