/** quantise-groups: weights as 4-bit integers with a scale for every 32 or 64 values along a row. */
import wgsl from '../../shaders/quantise-groups.wgsl';
import type { IntegerType } from '../gpu/integers.ts';
import { groupOf } from '../gpu/integers.ts';
import type { Dims, Grid, Kernel } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';
import { quantiseCases, quantiseCpu, quantiseShapes } from './quantise-cases.ts';
import { quantiseRows } from './quantise-rows.ts';

/** Groups of 32. */
export const quantiseGroups = defineKernel({
  ...quantiseRows,
  name: 'quantise-groups',
  wgsl,
  tensors: { x: input(), q: output('i4'), scale: output('f16') },
  grid: (dims) => groupGrid(dims, 'i4'),
  cost: ({ M = 1, K = 1 }) => ({ flops: 4 * M * K, bytes: 2.5 * M * K }),
  shapes: (dims) => quantiseShapes(dims, 'i4'),
  cpu: (inputs, dims) => quantiseCpu(inputs, dims, 'i4'),
  cases: quantiseCases('i4'),
});

/** Groups of 64. */
export const quantiseLongGroups = defineKernel({
  ...quantiseGroups,
  name: 'quantise-long-groups',
  tensors: { x: input(), q: output('i4x64'), scale: output('f16') },
  grid: (dims) => groupGrid(dims, 'i4x64'),
  shapes: (dims) => quantiseShapes(dims, 'i4x64'),
  cpu: (inputs, dims) => quantiseCpu(inputs, dims, 'i4x64'),
  cases: quantiseCases('i4x64'),
});

/** Returns the kernel that makes integers of type `dtype`. */
export const quantiseKernel = (dtype: IntegerType): Kernel =>
  dtype === 'i8' ? quantiseRows : dtype === 'i4' ? quantiseGroups : quantiseLongGroups;

function groupGrid({ M = 1, K = 1 }: Dims, dtype: IntegerType): Grid {
  return [Math.ceil((M * Math.ceil(K / (4 * groupOf(dtype)))) / 64), 1, 1];
}
