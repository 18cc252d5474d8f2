/** The layers that models are made of, each under its checkpoint key. */
import { matmulWeight } from '../graph/ops/linear.ts';
import { normalise } from '../graph/ops/norm.ts';
import type { Tensor } from '../graph/graph.ts';
import type { Module } from './module.ts';

export type Layer = (x: Tensor) => Tensor;

/** x Wᵀ + b: [..., in] -> [..., out]. */
export const linear =
  (options: { in: number; out: number; bias?: boolean }): Module<Layer> =>
  (scope) => {
    const weight = scope.weight('weight', [options.out, options.in]);
    const bias = options.bias === false ? undefined : scope.weight('bias', [options.out]);
    return (x) => scope.graph.within(scope.path.split('.').at(-1) ?? '', () => matmulWeight(x, weight, bias));
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
