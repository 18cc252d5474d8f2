/** attention-direct: attention without workgroup memory, for adapters that run on the processor; heads up to 64 wide. */
import wgsl from '../../shaders/attention-direct.wgsl';
import { attention } from './attention.ts';
import type { Case } from './kernel.ts';
import { defineKernel } from './kernel.ts';

/** Widest head whose rows an invocation holds in registers. */
const DIRECT_WIDTH = 64;

const isNarrow = ({ dims: { D = 4 } }: Case): boolean => D <= DIRECT_WIDTH;

export const attentionDirect = defineKernel({
  ...attention,
  name: 'attention-direct',
  wgsl,
  tune: { ROWS: [4, 1] },
  suits: (_, { caps, dims: { D = 4 } }) => caps.software && D <= DIRECT_WIDTH,
  choose: ({ D = 4 }) => ({ D4: D / 4 }),
  grid: ({ Lq = 1, heads = 1, groups = 1 }, { ROWS }) => [
    Math.ceil(Lq / (16 * Number(ROWS))),
    heads,
    groups,
  ],
  cases: attention.cases.filter(isNarrow),
  bench: attention.bench.filter(isNarrow),
});
