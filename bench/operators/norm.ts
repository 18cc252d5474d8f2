/** What memory bounds: normalisation of rows [rows, C] and of groups of channels, sums. */
import { addRows } from '../../src/engine/graph/ops/elementwise.ts';
import { groupNorm } from '../../src/engine/graph/ops/group-norm.ts';
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

/** x [T, H, W, C], groups of neighbouring channels over the pixels of a frame. */
export function groupNormOperator(
  [T, H, W, C]: readonly [number, number, number, number],
  groups: number,
): Operator<'x' | 'w' | 'b'> {
  const shape = [T, H, W, C];
  const own = C / groups;
  return {
    name: `group-norm ${shape.join('×')}, ${groups} groups`,
    operands: {
      x: { shape, fill: X },
      w: { shape: [C], fill: SCALE, weight: true },
      b: { shape: [C], fill: BIAS, weight: true },
    },
    result: shape,
    flops: FLOPS * T * H * W * C,
    memoryBound: true,
    build: (_, { x, w, b }) => groupNorm(x, { groups, eps: EPS }, w, b),
    expected([t = 0, row = 0, column = 0, channel = 0]) {
      const first = channel - (channel % own);
      const values = Float64Array.from({ length: H * W * own }, (_, i) =>
        valueAt(X, (t * H * W + Math.floor(i / own)) * C + first + (i % own)),
      );
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      const value = valueAt(X, ((t * H + row) * W + column) * C + channel);
      const normal = (value - mean) / Math.sqrt(variance + EPS);
      return normal * valueAt(SCALE, channel) + valueAt(BIAS, channel);
    },
  };
}

export function sumOperator(rows: number, C: number): Operator<'a' | 'b'> {
  const layouts = { a: asIs([rows, C]), b: asIs([rows, C]), y: asIs([rows, C]) };
  return {
    name: `sum ${rows}×${C}`,
    operands: { a: { shape: [rows, C], fill: X }, b: { shape: [rows, C], fill: BIAS } },
    result: [rows, C],
    flops: rows * C,
    memoryBound: true,
    // Stored like its operands, as by the other libraries: nothing is added to it.
    build: (_, { a, b }) => addRows(a, b),
    expected: ([row = 0, column = 0]) =>
      valueAt(X, row * C + column) + valueAt(BIAS, row * C + column),
    onnx: { layouts, nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['y'] }] },
    tfjs: { layouts, run: (tf, { a, b }) => tf.add(a, b) },
    jax: { layouts, run: (jax, { a, b }) => jax.numpy.add(a, b) },
  };
}
