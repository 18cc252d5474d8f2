/** matmul-dp4a: matmul of quantised rows by a quantised weight, on integers. */
import wgsl from '../../shaders/matmul-dp4a.wgsl';
import type { IntegerType } from '../gpu/integers.ts';
import { seeded } from './case.ts';
import type { Arrays, Case, Dims, Values } from './kernel.ts';
import { defineKernel, input } from './kernel.ts';
import { matmul } from './matmul.ts';
import { dequantiseValues } from './quantisation.ts';
import { INTEGER_TYPES, quantisedCase } from './quantised-weights.ts';

const { x: _, ...others } = matmul.tensors;

const dims = (M: number, N: number, K: number): Dims => ({
  ...{ M, N, K, gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: M, planes: 1 },
});

const BARE = ['gate', 'factor', 'residual'];

/** Both sides as integers, with scales of either sign, as they are made. */
function caseOf(
  [M, N, K]: readonly [number, number, number],
  type: IntegerType,
  why: string,
  absent: readonly string[],
): Case {
  const plain = { dims: dims(M, N, K), values: { ACTIVATION: 'none' }, absent, why };
  return quantisedCase(
    {
      ...plain,
      fill: (name, i) => (name === 'x' ? Math.round(127 * seeded(name, i)) : seeded(name, i)),
    },
    type,
  );
}

export const matmulDp4a = defineKernel({
  ...matmul,
  name: 'matmul-dp4a',
  wgsl,
  // Nine with everything on the way out, one more than every device binds: a call leaves one of them out.
  tensors: { x: input('i8'), xScale: input('f16'), ...others },
  tune: { R: [2, 1] },
  // Larger tiles: faster on processors, 51 instead of 74 TOP/s on an H200 (8-bit weights, 4096³).
  choose: ({ M = 1, N = 1 }, { software }) => ({ R: software && M * N >= 2 ** 21 ? 2 : 1 }),
  grid: ({ M = 1, N = 1 }, { R }) => [
    Math.ceil(N / (64 * Number(R))),
    Math.ceil(M / (64 * Number(R))),
    1,
  ],
  shapes: (all) => ({ ...matmul.shapes(all), xScale: [all['M'] ?? 1, 1] }),
  cpu: dp4aCpu,
  tolerance: { f32: { abs: 2e-4, rel: 1e-5 }, f16: { abs: 2e-2, rel: 2e-3 } },
  cases: [
    ...INTEGER_TYPES.flatMap((type) => [
      caseOf([70, 68, 150], type, 'edge tiles on every side', ['factor']),
      caseOf([5, 9, 7], type, 'no axis is a multiple of four', BARE),
    ]),
    { ...caseOf([70, 68, 20], 'i8', 'over the residual', ['factor']), over: 'residual' },
  ],
  bench: INTEGER_TYPES.map((type) => caseOf([4096, 4096, 4096], type, '4096³', BARE)),
});

/** The values that integers and scales stand for, multiplied. */
function dp4aCpu(inputs: Arrays, all: Dims, values: Values): Arrays {
  const { x: q = new Float32Array(), xScale = new Float32Array() } = inputs;
  const x = dequantiseValues({ q, scale: xScale }, all['K'] ?? 1, 'i8');
  return matmul.cpu({ ...inputs, x }, all, values);
}
