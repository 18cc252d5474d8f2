/** attention-matrix: attention by subgroup matrices, where the device has them. */
import wgsl from '../../shaders/attention-matrix.wgsl';
import { attention } from './attention.ts';
import { defineKernel } from './kernel.ts';

/** Widest head whose queries and sums a subgroup of 32 can hold. */
const WIDEST = 128;

/** Rows below which most of a workgroup would idle. */
const FEWEST_ROWS = 32;

/** Workgroup memory at the widest head: 32 keys and values, scores of 64 rows, a flag. */
const WORKGROUP_BYTES = 2 * 32 * 34 * 8 + 64 * 9 * 16 + 4;

export const attentionMatrix = defineKernel({
  ...attention,
  name: 'attention-matrix',
  wgsl,
  features: ['subgroup-matrix'],
  tune: {},
  choose: ({ D = 16 }) => ({ PIECES: Math.ceil(D / 16) }),
  suits: (_, { caps, dims, arithmetic, dtypes }) => {
    const { D = 1, Lq = 1 } = dims;
    return (
      arithmetic === 'f16' &&
      dtypes['bias'] === undefined &&
      D % 16 === 0 &&
      D <= WIDEST &&
      Lq >= FEWEST_ROWS &&
      caps.workgroupBytes >= WORKGROUP_BYTES &&
      caps.subgroupSize.min === 32 &&
      caps.subgroupSize.max === 32 &&
      caps.subgroupMatrix.some(
        ({ component, result, M, N, K }) =>
          component === 'f16' && result === 'f32' && M === 16 && N === 16 && K === 16,
      )
    );
  },
  grid: ({ Lq = 1, heads = 1, groups = 1 }) => [Math.ceil(Lq / 64), heads, groups],
});
