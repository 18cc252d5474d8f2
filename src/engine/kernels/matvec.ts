/** matvec: matmul for few rows, where reading the weights is all the work. */
import wgsl from '../../shaders/matvec.wgsl';
import type { Case, Dims, Values } from './kernel.ts';
import { defineKernel } from './kernel.ts';
import { matmul } from './matmul.ts';
import { INTEGER_TYPES, quantisedCase } from './quantised-weights.ts';

const MOST_ROWS = 8;
/** Rows of x up to which more than one run is asked for at once: sums and weights share the registers. */
const MOST_AHEAD = 2;

const dims = (M: number, N: number, K: number): Dims => ({
  ...{ M, N, K, gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: M, planes: 1 },
});

const BARE = ['gate', 'factor', 'residual'];

const caseOf = (M: number, N: number, K: number, why: string, values?: Values): Case => ({
  dims: dims(M, N, K),
  values: { ACTIVATION: 'none', ...values },
  absent: BARE,
  tolerance: { abs: 0.06, rel: 6e-3 },
  why,
});

const bench = [
  caseOf(1, 4096, 4096, 'M = 1, 4096²'),
  caseOf(8, 4096, 4096, 'M = 8, 4096²'),
  caseOf(1, 14336, 3072, 'M = 1, 14336 × 3072'),
];

export const matvec = defineKernel({
  ...matmul,
  name: 'matvec',
  wgsl,
  tune: { LANES: [32, 16, 64, 128], AHEAD: [2, 1, 4] },
  choose: ({ M = 1, N = 1 }, { software }) => ({
    ROWS: 2 ** Math.ceil(Math.log2(M)),
    LANES: N >= 8192 ? 32 : N >= 2048 ? 64 : 128,
    AHEAD: software || M > MOST_AHEAD ? 1 : 2,
  }),
  suits: ({ AHEAD }, { dims: { M = 1 }, caps }) =>
    M <= MOST_ROWS && (AHEAD === 1 || (M <= MOST_AHEAD && !(caps.software && AHEAD === 4))),
  grid: ({ N = 1 }, { LANES }) => [Math.ceil(N / (512 / Number(LANES))), 1, 1],
  cases: [
    { ...caseOf(5, 70, 150, 'all that can ride', { LANES: 32 }), absent: [] },
    caseOf(1, 9, 7, 'no axis is a multiple of four', { AHEAD: 1 }),
    ...INTEGER_TYPES.flatMap((type) => [
      quantisedCase(caseOf(1, 6, 1200, 'several runs a lane', { LANES: 16, AHEAD: 2 }), type),
      quantisedCase(caseOf(2, 70, 150, 'the last group is cut', { LANES: 32, AHEAD: 1 }), type),
    ]),
  ],
  bench: [
    ...bench,
    ...INTEGER_TYPES.flatMap((type) => bench.map((test) => quantisedCase(test, type))),
  ],
});
