/** Matrix products: x [M, K] times a weight [N, K]. */
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import type { Fill } from '../fill.ts';
import { valueAt } from '../fill.ts';
import type { Operator } from './operator.ts';
import { asIs, permuted } from './operator.ts';

const X: Fill = { seed: 1, scale: 1 };
const W: Fill = { seed: 2, scale: 1 };

/** The same with the weights stored as small integers. */
export function quantisedMatmul(
  M: number,
  N: number,
  K: number,
  type: 'i8' | 'i4',
): Operator<'x' | 'w'> {
  const { onnx: _onnx, tfjs: _tfjs, jax: _jax, ...own } = matmulOperator(M, N, K);
  const name = `${type === 'i8' ? 'int8' : 'int4'} ${own.name}`;
  return { ...own, name, quantise: type, allowed: type === 'i8' ? 0.05 : 0.5 };
}

/** The same with 8-bit weights and rows, multiplied as integers; quantising the rows is part of the time. */
export const integerMatmul = (M: number, N: number, K: number): Operator<'x' | 'w'> => ({
  ...quantisedMatmul(M, N, K, 'i8'),
  name: `int8×int8 matmul ${M}×${N}×${K}`,
  integerProducts: true,
});

export function matmulOperator(M: number, N: number, K: number): Operator<'x' | 'w'> {
  const layouts = {
    x: asIs([M, K]),
    w: permuted([N, K], [1, 0]),
    y: asIs([M, N]),
  };
  return {
    name: `matmul ${M}×${N}×${K}`,
    operands: {
      x: { shape: [M, K], fill: X },
      w: { shape: [N, K], fill: W, weight: true },
    },
    result: [M, N],
    flops: 2 * M * N * K,
    memoryBound: M < 64,
    build: (_, { x, w }) => matmulWeight(x, w),
    expected([m = 0, n = 0]) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += valueAt(X, m * K + k) * valueAt(W, n * K + k);
      return sum;
    },
    onnx: { layouts, nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }] },
    tfjs: { layouts, run: (tf, { x, w }) => tf.matMul(x, w) },
    jax: { layouts, run: (jax, { x, w }) => jax.numpy.matmul(x, w) },
  };
}
