/** attention-matrix: attention by subgroup matrices, where the device has them. */
import wgsl from '../../shaders/attention-matrix.wgsl';
import { attention, attentionDims } from './attention.ts';
import type { Values } from './kernel.ts';
import { defineKernel } from './kernel.ts';

/** Widest head whose queries and sums a team of two subgroups can hold. */
const WIDEST = 128;

/** Rows below which most of a workgroup would idle. */
const FEWEST_ROWS = 32;

/** Widest head with which two workgroups of two teams fit the memory of a processor. */
const NARROW = 64;

const rowsOf = ({ TEAMS }: Values): number => 32 * Number(TEAMS);

/** Workgroup memory: 32 keys and values, weights and scores of all rows, a flag. */
const workgroupBytes = (values: Values): number =>
  2 * 32 * (4 * Number(values['PIECES']) + 2) * 8 + rowsOf(values) * (10 * 8 + 9 * 16) + 4;

export const attentionMatrix = defineKernel({
  ...attention,
  name: 'attention-matrix',
  wgsl,
  features: ['subgroup-matrix'],
  tune: { TEAMS: [4, 2] },
  choose: ({ D = 16 }) => ({ PIECES: Math.ceil(D / 16), TEAMS: D <= NARROW ? 2 : 4 }),
  suits: (values, { caps, dims, arithmetic, dtypes }) => {
    const { D = 1, Lq = 1 } = dims;
    return (
      arithmetic === 'f16' &&
      dtypes['bias'] === undefined &&
      D % 32 === 0 &&
      D <= WIDEST &&
      Lq >= FEWEST_ROWS &&
      caps.workgroupBytes >= workgroupBytes(values) &&
      caps.subgroupSize.min === 32 &&
      caps.subgroupSize.max === 32 &&
      caps.subgroupMatrix.some(
        ({ component, result, M, N, K }) =>
          component === 'f16' && result === 'f32' && M === 16 && N === 16 && K === 16,
      )
    );
  },
  grid: ({ Lq = 1, heads = 1, groups = 1 }, values) => [
    Math.ceil(Lq / rowsOf(values)),
    heads,
    groups,
  ],
  cases: [
    ...attention.cases,
    {
      dims: { ...attentionDims(2, 64, 133, 75), lastKeyBias: 1.5, groups: 2 },
      absent: ['bias', 'residual'],
      fill: (name: string, i: number) =>
        (name === 'k' ? 0.03 * (Math.floor(i / 128) % 75) : name === 'q' ? 1 : 0) +
        0.4 * Math.sin(i * (name === 'q' ? 0.37 : 0.73)),
      why: 'heads of 64, scores that grow from key to key, two groups',
    },
    {
      dims: attentionDims(2, 96, 140, 64),
      absent: ['bias', 'residual'],
      why: 'heads of 96, whole tiles of keys',
    },
  ],
});
