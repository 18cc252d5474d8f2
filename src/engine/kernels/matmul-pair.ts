/** matmul-pair: the matrix product of two activations, x [M, K] and w [N, K]; the shader is matmul's. */
import { defineKernel, input } from './kernel.ts';
import { matmul } from './matmul.ts';

const dims = (M: number, N: number, K: number) => ({
  ...{ M, N, K, planes: 1 },
  ...{ gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: M },
});
const absent = ['bias', 'gate', 'factor', 'residual'];
const values = { ACTIVATION: 'none' };

export const matmulPair = defineKernel({
  ...matmul,
  name: 'matmul-pair',
  tensors: { ...matmul.tensors, w: input() },
  tune: { RM: [4] },
  choose: () => ({}),
  cases: [
    { dims: dims(5, 6, 7), values, absent, why: 'no axis is a multiple of four' },
    { dims: dims(70, 68, 36), values, absent, why: 'edge tiles on every side' },
  ],
  bench: [{ dims: dims(4096, 4096, 128), values, absent, why: 'scores of one head' }],
});
