/** table-row: the row of a table that the step counter on the device points at. */
import wgsl from '../../shaders/table-row.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const tableRow = defineKernel({
  name: 'table-row',
  wgsl,
  tensors: { table: input(), step: input('u32'), y: output() },
  uniforms: { N: 'u32', rows: 'u32', C: 'u32' },
  tune: {},
  grid: ({ rows = 1, C = 1 }) => [Math.ceil((rows * Math.ceil(C / 4)) / 64), 1, 1],
  cost: ({ rows = 1, C = 1 }) => ({ flops: rows * C, bytes: 8 * rows * C }),
  shapes: ({ N = 1, rows = 1, C = 1 }) => ({ table: [N, rows, C], step: [1], y: [rows, C] }),
  cpu: tableRowCpu,
  tolerance: { f32: { abs: 1e-30, rel: 0 }, f16: { abs: 1e-30, rel: 0 } }, // a copy: any difference is far above this
  cases: [
    { dims: { N: 4, rows: 2, C: 6 }, fill: pointAt(2), why: 'two rows of a width with padding' },
    { dims: { N: 3, rows: 1, C: 300 }, fill: pointAt(0), why: 'more than one workgroup' },
    { dims: { N: 3, rows: 1, C: 4 }, fill: pointAt(7), why: 'a step past the end' },
  ],
  bench: [{ dims: { N: 50, rows: 2, C: 256 }, fill: pointAt(9), why: 'sinusoid of a timestep' }],
});

/** Fills `step` with one number and the table with its own indices, which f16 holds too. */
function pointAt(step: number): (name: string, i: number) => number {
  return (name, i) => (name === 'step' ? step : i);
}

function tableRowCpu(
  { table = new Float32Array(), step }: Arrays,
  { N = 1, rows = 1, C = 1 }: Dims,
): Arrays {
  const row = Math.min(step?.[0] ?? NaN, N - 1);
  return { y: table.slice(row * rows * C, (row + 1) * rows * C) };
}
