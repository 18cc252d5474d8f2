/** matmul-matrix-int8: matmul of quantised rows by an 8-bit weight through subgroup matrices. */
import wgsl from '../../shaders/matmul-matrix-int8.wgsl';
import type { Situation, Values } from './kernel.ts';
import { defineKernel } from './kernel.ts';
import { matmulDp4a } from './matmul-dp4a.ts';

const isInt8 = ({ stored }: (typeof matmulDp4a.cases)[number]): boolean => stored?.['w'] === 'i8';

export const matmulMatrixInt8 = defineKernel({
  ...matmulDp4a,
  name: 'matmul-matrix-int8',
  wgsl,
  features: ['subgroup-matrix'],
  tune: { SUB: [64, 32] },
  choose: ({ M = 1, N = 1 }, { subgroupMatrix }) => {
    const [largest] = subgroupMatrix
      .filter(({ component, result, K }) => component === 'i8' && result === 'i32' && K % 16 === 0)
      .toSorted((a, b) => b.M * b.N - a.M * a.N);
    const { M: MM = 0, N: MN = 0, K: MK = 0 } = largest ?? {};
    return { SUB: M * N >= 2 ** 22 ? 64 : 32, MM, MN, MK };
  },
  suits: int8Suits,
  grid: ({ M = 1, N = 1 }, { SUB }) => [
    Math.ceil(N / (2 * Number(SUB))),
    Math.ceil(M / (2 * Number(SUB))),
    1,
  ],
  cases: matmulDp4a.cases.filter(isInt8),
  bench: matmulDp4a.bench.filter(isInt8),
});

/** Whether the device multiplies 8-bit matrices in subgroups of 32, and the weight is one. */
function int8Suits({ SUB, MM, MN }: Values, { caps, dtypes }: Situation): boolean {
  const { min, max } = caps.subgroupSize;
  const bytes = 4 * Number(SUB) * 5 * 16 + 16 * Number(MM) * Number(MN);
  const fits = min === 32 && max === 32 && bytes <= caps.workgroupBytes;
  return Number(MM) > 0 && dtypes['w'] === 'i8' && fits;
}
