/** Normalisation of rows: x [rows, C]. */
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import type { Fill } from '../fill.ts';
import { valueAt } from '../fill.ts';
import type { Operator } from './operator.ts';
import { asIs } from './operator.ts';

const X: Fill = { seed: 8, scale: 4, shift: 0.5 };
const SCALE: Fill = { seed: 9, scale: 0.5, shift: 1 };
const BIAS: Fill = { seed: 10, scale: 1 };
const EPS = 1e-6;

/** Flops for each value: two sums, the difference, the factor, the weights. */
const FLOPS = 8;

export function layerNormOperator(rows: number, C: number): Operator<'x' | 'w' | 'b'> {
  const layouts = { x: asIs([rows, C]), w: asIs([C]), b: asIs([C]), y: asIs([rows, C]) };
  return {
    name: `layer-norm ${rows}×${C}`,
    operands: {
      x: { shape: [rows, C], fill: X },
      w: { shape: [C], fill: SCALE, weight: true },
      b: { shape: [C], fill: BIAS, weight: true },
    },
    result: [rows, C],
    flops: FLOPS * rows * C,
    memoryBound: true,
    build: (_, { x, w, b }) => normalise(x, 'layer', EPS, w, b),
    expected([row = 0, column = 0]) {
      const values = Float64Array.from({ length: C }, (_, c) => valueAt(X, row * C + c));
      const mean = values.reduce((a, b) => a + b, 0) / C;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / C;
      const normal = ((values[column] ?? 0) - mean) / Math.sqrt(variance + EPS);
      return normal * valueAt(SCALE, column) + valueAt(BIAS, column);
    },
    onnx: {
      layouts,
      nodes: [
        {
          op: 'LayerNormalization',
          inputs: ['x', 'w', 'b'],
          outputs: ['y'],
          attributes: { axis: -1, epsilon: { float: EPS } },
        },
      ],
    },
    tfjs: {
      layouts,
      run: (tf, { x, w, b }) =>
        tf.tidy(() => {
          const { mean, variance } = tf.moments(x, -1, true);
          const factor = tf.rsqrt(tf.add(variance, EPS));
          const normal = tf.mul(tf.sub(x, mean), factor);
          return tf.add(tf.mul(normal, w), b);
        }),
    },
  };
}

export function rmsNormOperator(rows: number, C: number): Operator<'x' | 'w'> {
  const layouts = { x: asIs([rows, C]), w: asIs([C]), y: asIs([rows, C]) };
  return {
    name: `rms-norm ${rows}×${C}`,
    operands: {
      x: { shape: [rows, C], fill: X },
      w: { shape: [C], fill: SCALE, weight: true },
    },
    result: [rows, C],
    flops: (FLOPS / 2) * rows * C,
    memoryBound: true,
    build: (_, { x, w }) => normalise(x, 'rms', EPS, w),
    expected([row = 0, column = 0]) {
      const values = Float64Array.from({ length: C }, (_, c) => valueAt(X, row * C + c));
      const square = values.reduce((a, b) => a + b * b, 0) / C;
      return ((values[column] ?? 0) / Math.sqrt(square + EPS)) * valueAt(SCALE, column);
    },
    onnx: {
      layouts,
      nodes: [
        {
          op: 'SimplifiedLayerNormalization',
          inputs: ['x', 'w'],
          outputs: ['y'],
          attributes: { axis: -1, epsilon: { float: EPS } },
        },
      ],
    },
  };
}
