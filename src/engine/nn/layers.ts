/** The layers that models are made of, each under its checkpoint key. */
import { matmulWeight } from '../graph/ops/linear.ts';
import { normalise } from '../graph/ops/norm.ts';
import type { Tensor } from '../graph/graph.ts';
import type { Dtype, Shape } from '../gpu/tensor.ts';
import type { Module } from './module.ts';

export type Layer = (x: Tensor) => Tensor;

export type LinearOptions = {
  readonly in: number;
  readonly out: number;
  readonly bias?: boolean;
  /** Storage of the product where the graph's own choice would not hold it. */
  readonly dtype?: Dtype;
  /** Storage of the weight likewise. */
  readonly weightDtype?: Dtype;
  /** Shape of the weight in the checkpoint; default [out, in]. */
  readonly stored?: Shape;
};

/** x Wᵀ + b: [..., in] -> [..., out]. */
export const linear =
  (options: LinearOptions): Module<Layer> =>
  (scope) => {
    const shape = [options.out, options.in];
    const weight = scope.weight('weight', options.stored ?? shape, {
      shape,
      quantisable: true,
      ...(options.weightDtype && { dtype: options.weightDtype }),
    });
    const bias = options.bias === false ? undefined : scope.weight('bias', [options.out]);
    return (x) =>
      scope.graph.within(scope.path.split('.').at(-1) ?? '', () =>
        matmulWeight(x, weight, bias, options.dtype),
      );
  };

/** Layer norm over the last axis; without weights unless `affine`. */
export const layerNorm =
  (options: { channels: number; eps: number; affine?: boolean }): Module<Layer> =>
  (scope) => {
    const weight = options.affine ? scope.weight('weight', [options.channels]) : undefined;
    const bias = options.affine ? scope.weight('bias', [options.channels]) : undefined;
    return (x) => normalise(x, 'layer', options.eps, weight, bias);
  };

/** RMS norm over the last axis with a weight. */
export const rmsNorm =
  (options: { channels: number; eps: number }): Module<Layer> =>
  (scope) => {
    const weight = scope.weight('weight', [options.channels]);
    return (x) => normalise(x, 'rms', options.eps, weight);
  };
