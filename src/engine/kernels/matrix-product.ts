/** What the kernels that multiply by subgroup matrices share: which kind of matrix, which block of the result, and when they suit. */
import type { Capabilities } from '../gpu/device.ts';
import type { MatrixConfig } from '../gpu/subgroup-matrix.ts';
import type { Arithmetic, Situation, Values } from './kernel.ts';

/** Rows and columns that a workgroup makes; the same table stands in lib/matrix-product.wgsl. */
export const MATRIX_BLOCKS = {
  large: [128, 128],
  slim: [128, 96],
  broad: [96, 160],
  wide: [64, 128],
  small: [64, 64],
} as const;

export type MatrixBlock = keyof typeof MATRIX_BLOCKS;

/** All blocks, for the tuner. */
export const BLOCK_NAMES = Object.keys(MATRIX_BLOCKS) as readonly MatrixBlock[];

/** Values a block makes in the time in which the large one makes one, as measured on an H200 with many of each. */
const SPEED: Readonly<Record<MatrixBlock, number>> = {
  ...{ large: 1, slim: 0.93, broad: 0.97, wide: 0.65, small: 0.52 },
};

/** Blocks that fill a device of about 130 processors: one to each takes less time than two smaller ones. */
const ENOUGH_BLOCKS = 128;

/** Groups of four from row to row in workgroup memory, as in the shader. */
const PITCH = 10;

/** Returns the block with which a result takes least time: padding counts, and what does not fill the device. */
function blockFor(rows: number, columns: number): MatrixBlock {
  const time = (name: MatrixBlock): number => {
    const [height, width] = MATRIX_BLOCKS[name];
    const blocks = Math.ceil(rows / height) * Math.ceil(columns / width);
    return (Math.max(ENOUGH_BLOCKS, blocks) * height * width) / SPEED[name];
  };
  return BLOCK_NAMES.toSorted((a, b) => time(a) - time(b))[0] ?? 'large';
}

/** Returns the values of lib/matrix-product.wgsl for a product [rows, K] by [K, columns]. */
export function matrixValues(
  rows: number,
  columns: number,
  kGroups: number,
  caps: Capabilities,
  arithmetic: Arithmetic,
): Values {
  const config = matrixFor(caps, arithmetic);
  const shape = config && { MM: config.M, MN: config.N, MK: config.K, Sum: config.result };
  return { BLOCK: blockFor(rows, columns), EVEN: kGroups % 8 === 0, ...shape };
}

/** Whether the device has the matrices, subgroups of 32, and enough workgroup memory. */
export function matrixSuits(values: Values, { caps, arithmetic }: Situation): boolean {
  const { BLOCK, MM = 0, MN = 0, Sum } = values;
  if (MM === 0 || caps.subgroupSize.min !== 32 || caps.subgroupSize.max !== 32) return false;
  const [height, width] = MATRIX_BLOCKS[BLOCK as MatrixBlock];
  const group = arithmetic === 'f16' ? 8 : 16;
  const pieces = 4 * Number(MM) * Number(MN) * (Sum === 'f32' ? 4 : 2);
  return (height + width) * PITCH * group + pieces <= caps.workgroupBytes;
}

/** The kind of matrix for an arithmetic, f32 sums before f16 ones and large before small. */
function matrixFor(
  { subgroupMatrix }: Capabilities,
  arithmetic: Arithmetic,
): MatrixConfig | undefined {
  const rank = ({ result, M, N }: MatrixConfig) => (result === 'f32' ? 1e6 : 0) + M * N;
  return subgroupMatrix
    .filter(({ component, K }) => component === arithmetic && K % 4 === 0)
    .toSorted((a, b) => rank(b) - rank(a))[0];
}
