/** matvec: matmul for few rows, where reading the weights is all the work. */
import wgsl from '../../shaders/matvec.wgsl';
import type { Case, Dims, Values } from './kernel.ts';
import { defineKernel } from './kernel.ts';
import { matmul } from './matmul.ts';
import { INTEGER_TYPES, quantisedCase } from './quantised-weights.ts';

const MOST_ROWS = 8;
/** Rows of x up to which more than one run is asked for at once: sums and weights share the registers. */
const MOST_AHEAD = 2;
/** Columns from which on a device is full with few lanes on each. */
const MANY_COLUMNS = 8192;

/** Lanes on one block of columns: as measured on an H200. */
function lanesFor(M: number, N: number, weightBits: number): number {
  if (N < 2048) return 128;
  if (M > MOST_AHEAD) return 32;
  return N >= MANY_COLUMNS || weightBits < 16 ? 64 : 128;
}

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
  tune: { LANES: [32, 16, 64, 128], AHEAD: [2, 1], BLOCKS: [1, 2] },
  choose: ({ M = 1, N = 1, weightBits = 16 }, { software }) => ({
    ROWS: 2 ** Math.ceil(Math.log2(M)),
    LANES: lanesFor(M, N, weightBits),
    AHEAD: software || M > MOST_AHEAD || N >= MANY_COLUMNS ? 1 : 2,
    // Unpacked weights are many to a value of x: two blocks share it, where enough columns are left to fill the device.
    BLOCKS: !software && M <= MOST_AHEAD && N >= MANY_COLUMNS && weightBits < 16 ? 2 : 1,
  }),
  suits: ({ AHEAD, BLOCKS }, { dims: { M = 1 }, caps }) =>
    M <= MOST_ROWS &&
    (Number(AHEAD) * Number(BLOCKS) === 1 || M <= MOST_AHEAD) &&
    !(caps.software && Number(AHEAD) * Number(BLOCKS) > 2),
  grid: ({ N = 1 }, { LANES, BLOCKS }) => [
    Math.ceil(N / ((Number(BLOCKS) * 512) / Number(LANES))),
    1,
    1,
  ],
  cases: [
    { ...caseOf(5, 70, 150, 'all that can ride', { LANES: 32 }), absent: [] },
    {
      ...caseOf(1, 70, 20, 'over the residual', { LANES: 32, AHEAD: 1, BLOCKS: 1 }),
      absent: ['factor'],
      over: 'residual',
    },
    caseOf(1, 9, 7, 'no axis is a multiple of four', { AHEAD: 1, BLOCKS: 2 }),
    ...INTEGER_TYPES.flatMap((type) => [
      quantisedCase(
        caseOf(1, 6, 1200, 'several runs a lane', { LANES: 16, AHEAD: 2, BLOCKS: 1 }),
        type,
      ),
      quantisedCase(
        caseOf(2, 70, 150, 'the last group is cut', { LANES: 32, AHEAD: 1, BLOCKS: 1 }),
        type,
      ),
    ]),
  ],
  bench: [
    ...bench,
    ...INTEGER_TYPES.flatMap((type) => bench.map((test) => quantisedCase(test, type))),
  ],
});
