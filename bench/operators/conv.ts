/** Convolutions: x [T, H, W, Cin] with weights [Cout, kt, kh, kw, Cin], stride 1, the picture kept at its size. */
import type { Tensor4D, Tensor5D } from '@tensorflow/tfjs-core';
import { conv } from '../../src/engine/graph/ops/conv.ts';
import type { Fill } from '../fill.ts';
import { valueAt } from '../fill.ts';
import type { Operator } from './operator.ts';
import { asIs, indexOf, permuted } from './operator.ts';

const X: Fill = { seed: 6, scale: 1 };
const W: Fill = { seed: 7, scale: 1 };

type Names = 'x' | 'w';

type Size = readonly [T: number, H: number, W: number, Cin: number];

/** `kt` 1: pictures on their own; 3: causal over frames, two frames of zeros in front. */
function convOperator(name: string, x: Size, Cout: number, kt: 1 | 3): Operator<Names> {
  const [T, H, width, Cin] = x;
  const w = [Cout, kt, 3, 3, Cin];
  const result = [T, H, width, Cout];
  return {
    name,
    operands: { x: { shape: x, fill: X }, w: { shape: w, fill: W, weight: true } },
    result,
    flops: 2 * T * H * width * Cout * Cin * kt * 9,
    shapes: { w: [Cout, kt * 9, Cin] },
    build: (_, { x, w }) =>
      conv(x, w, undefined, {
        kernel: [kt, 3, 3],
        before: [kt - 1, 1, 1],
        after: [0, 1, 1],
      }),
    expected([t = 0, row = 0, column = 0, channel = 0]) {
      let sum = 0;
      for (let tap = 0; tap < kt * 9; tap++) {
        const [dt, dh, dw] = [Math.floor(tap / 9), Math.floor(tap / 3) % 3, tap % 3];
        const place = [t + dt - kt + 1, row + dh - 1, column + dw - 1];
        if (place.some((at, axis) => at < 0 || at >= (x[axis] ?? 0))) continue;
        const from = indexOf(x, [...place, 0]);
        const by = indexOf(w, [channel, dt, dh, dw, 0]);
        for (let c = 0; c < Cin; c++) sum += valueAt(X, from + c) * valueAt(W, by + c);
      }
      return sum;
    },
    ...(kt === 1 ? pictures(x, Cout) : video(x, Cout)),
  };
}

export const conv2dOperator = (x: Size, Cout: number): Operator<Names> =>
  convOperator(`conv2d 3×3 ${x.join('×')}→${Cout}`, x, Cout, 1);

export const conv3dOperator = (x: Size, Cout: number): Operator<Names> =>
  convOperator(`conv3d causal 3×3×3 ${x.join('×')}→${Cout}`, x, Cout, 3);

/** Channels first where a library has no other order. */
function pictures(x: Size, Cout: number): Pick<Operator<Names>, 'onnx' | 'tfjs' | 'jax'> {
  const [T, H, W, Cin] = x;
  const w = [Cout, 1, 3, 3, Cin];
  const first = {
    x: permuted(x, [0, 3, 1, 2]),
    w: permuted(w, [1, 0, 4, 2, 3], [Cout, Cin, 3, 3]),
    y: permuted([T, H, W, Cout], [0, 3, 1, 2]),
  };
  const last = {
    x: asIs(x),
    w: permuted(w, [1, 2, 3, 4, 0], [3, 3, Cin, Cout]),
    y: asIs([T, H, W, Cout]),
  };
  return {
    onnx: {
      layouts: first,
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'w'],
          outputs: ['y'],
          attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
        },
      ],
    },
    tfjs: {
      layouts: last,
      run: (tf, { x, w }) => tf.conv2d(x as Tensor4D, w as Tensor4D, 1, 'same'),
    },
    jax: {
      layouts: first,
      run: (jax, { x, w }) =>
        jax.lax.convGeneralDilated(
          x,
          w,
          [1, 1],
          [
            [1, 1],
            [1, 1],
          ],
        ),
    },
  };
}

function video(x: Size, Cout: number): Pick<Operator<Names>, 'onnx' | 'tfjs' | 'jax'> {
  const [T, H, W, Cin] = x;
  const w = [Cout, 3, 3, 3, Cin];
  const first = {
    x: permuted(x, [3, 0, 1, 2], [1, Cin, T, H, W]),
    w: permuted(w, [0, 4, 1, 2, 3]),
    y: permuted([T, H, W, Cout], [3, 0, 1, 2], [1, Cout, T, H, W]),
  };
  const last = {
    x: asIs(x, [1, ...x]),
    w: permuted(w, [1, 2, 3, 4, 0]),
    y: asIs([T, H, W, Cout], [1, T, H, W, Cout]),
  };
  return {
    onnx: {
      layouts: first,
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'w'],
          outputs: ['y'],
          attributes: { kernel_shape: [3, 3, 3], pads: [2, 1, 1, 0, 1, 1] },
        },
      ],
    },
    tfjs: {
      layouts: last,
      run: (tf, { x, w }) =>
        tf.tidy(() => {
          // its padding of five axes does not compile: rows of pixels are padded as numbers
          const rows = tf.reshape(x, [T, H, W * Cin]);
          const padded = tf.pad(rows, [
            [2, 0],
            [1, 1],
            [Cin, Cin],
          ]);
          const frames = tf.reshape(padded, [1, T + 2, H + 2, W + 2, Cin]);
          return tf.conv3d(frames as Tensor5D, w as Tensor5D, 1, 'valid');
        }),
    },
    jax: {
      layouts: first,
      run: (jax, { x, w }) =>
        jax.lax.convGeneralDilated(
          x,
          w,
          [1, 1, 1],
          [
            [2, 0],
            [1, 1],
            [1, 1],
          ],
        ),
    },
  };
}
