/** attention-tiled: attention with its tiles in registers, for heads of up to 128. */
import wgsl from '../../shaders/attention-tiled.wgsl';
import { attention, attentionDims } from './attention.ts';
import { defineKernel } from './kernel.ts';

/** Widest head whose sums an invocation can hold. */
const WIDEST = 128;

/** Rows below which most of a workgroup would idle. */
const FEWEST_ROWS = 24;

/** Workgroup memory with eight rows, in either arithmetic at most: queries, keys, weights, and what is known of a row. */
const WORKGROUP_BYTES = 4 * 66 * 16 + 4 * 68 * 16 + 64 * 17 * 8 + 64 * 17 * 4;

export const attentionTiled = defineKernel({
  ...attention,
  name: 'attention-tiled',
  wgsl,
  tune: { ROWS: [8, 4] },
  choose: ({ D = 4, Lq = 1 }) => ({ BLOCKS: Math.ceil(D / 64), ROWS: Lq <= 32 ? 4 : 8 }),
  // Processors take minutes to compile eight rows and run none well.
  suits: ({ ROWS }, { caps, dims: { D = 1, Lq = 1 }, dtypes }) =>
    dtypes['bias'] === undefined &&
    D <= WIDEST &&
    Lq >= FEWEST_ROWS &&
    caps.workgroupBytes >= WORKGROUP_BYTES &&
    !(caps.software && ROWS === 8),
  // Compiling is what takes time on processors: one case with all that can happen.
  cases: [
    {
      dims: { ...attentionDims(4, 80, 34, 70), kvHeads: 2, lastKeyBias: 2.5 },
      absent: ['bias', 'residual'],
      why: 'shared keys, odd lengths, heads that fill no block, a bias on the last key',
    },
  ],
  grid: ({ Lq = 1, heads = 1, groups = 1 }, { ROWS }) => [
    Math.ceil(Lq / (8 * Number(ROWS))),
    heads,
    groups,
  ],
});
