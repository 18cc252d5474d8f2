/** softmax: exponentials of each row as shares of their sum. */
import wgsl from '../../shaders/softmax.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const softmax = defineKernel({
  name: 'softmax',
  wgsl,
  tensors: { x: input(), y: output() },
  uniforms: { rows: 'u32', C: 'u32', scale: 'f32', lastBias: 'f32' },
  tune: {},
  grid: ({ rows = 1 }) => [rows, 1, 1],
  cost: ({ rows = 1, C = 1 }) => ({ flops: 5 * rows * C, bytes: 4 * rows * C }),
  shapes: ({ rows = 1, C = 1 }) => ({ x: [rows, C], y: [rows, C] }),
  cpu: softmaxCpu,
  tolerance: { f32: { abs: 1e-6, rel: 1e-5 }, f16: { abs: 1e-4, rel: 1e-3 } },
  cases: [
    { dims: { rows: 3, C: 70, scale: 2, lastBias: 0 }, why: 'a width that is not a multiple of 4' },
    {
      dims: { rows: 2, C: 1100, scale: 1, lastBias: 3.5 },
      why: 'several groups a lane, last bias',
    },
    {
      dims: { rows: 2, C: 9, scale: 1, lastBias: 0 },
      fill: (_: string, i: number) => 300 * Math.sin(i),
      why: 'scores whose exponentials overflow',
    },
  ],
  bench: [{ dims: { rows: 4096, C: 4096, scale: 0.09, lastBias: 0 }, why: 'scores of one head' }],
});

function softmaxCpu({ x = new Float32Array() }: Arrays, dims: Dims): Arrays {
  const { rows = 1, C = 1, scale = 1, lastBias = 0 } = dims;
  const y = new Float32Array(rows * C);
  for (let r = 0; r < rows; r++) {
    const scores = Array.from(
      { length: C },
      (_, c) => scale * x[r * C + c]! + (c === C - 1 ? lastBias : 0),
    );
    const most = Math.max(...scores);
    const shares = scores.map((score) => Math.exp(score - most));
    const sum = shares.reduce((a, b) => a + b, 0);
    shares.forEach((share, c) => {
      y[r * C + c] = share / sum;
    });
  }
  return { y };
}
