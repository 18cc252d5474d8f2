/** All kernels: tests of completeness, bench and lab read this list. */
import { advance } from './advance.ts';
import { attention } from './attention.ts';
import { attentionDirect } from './attention-direct.ts';
import { attentionMatrix } from './attention-matrix.ts';
import { attentionTiled } from './attention-tiled.ts';
import { avgDown } from './avg-down.ts';
import { blendKeys } from './blend-keys.ts';
import { concat } from './concat.ts';
import { conv } from './conv.ts';
import { convDirect } from './conv-direct.ts';
import { convMatrix } from './conv-matrix.ts';
import { convTiled } from './conv-tiled.ts';
import { ddimStep } from './ddim-step.ts';
import { decodeWeights } from './decode-weights.ts';
import { dupUp } from './dup-up.ts';
import { elementwise } from './elementwise.ts';
import { gatedAdd } from './gated-add.ts';
import { frameAttention } from './frame-attention.ts';
import { frameAttentionHeld } from './frame-attention-held.ts';
import { groupAttention } from './group-attention.ts';
import { groupMerge } from './group-merge.ts';
import { groupMoments } from './group-moments.ts';
import { groupNorm } from './group-norm.ts';
import { guide } from './guide.ts';
import { history } from './history.ts';
import type { Kernel } from './kernel.ts';
import { limitNorm } from './limit-norm.ts';
import { matmul } from './matmul.ts';
import { matmulDirect } from './matmul-direct.ts';
import { matmulDp4a } from './matmul-dp4a.ts';
import { matvec } from './matvec.ts';
import { matmulMatrix } from './matmul-matrix.ts';
import { matmulMatrixInt8 } from './matmul-matrix-int8.ts';
import { matmulPair } from './matmul-pair.ts';
import { matmulTiled } from './matmul-tiled.ts';
import { mend } from './mend.ts';
import { norm } from './norm.ts';
import { normHeld } from './norm-held.ts';
import { qkNormRope } from './qk-norm-rope.ts';
import { quantiseGroups, quantiseLongGroups } from './quantise-groups.ts';
import { quantiseRows } from './quantise-rows.ts';
import { rearrange } from './rearrange.ts';
import { resample } from './resample.ts';
import { ringRead } from './ring-read.ts';
import { ringReadInt8 } from './ring-read-int8.ts';
import { ringWrite } from './ring-write.ts';
import { ringWriteInt8 } from './ring-write-int8.ts';
import { schedulerStep } from './scheduler-step.ts';
import { softmax } from './softmax.ts';
import { tableRow } from './table-row.ts';
import { toRgba } from './to-rgba.ts';
import { warp } from './warp.ts';

export const kernels: readonly Kernel[] = [
  matmul,
  matmulDirect,
  matmulDp4a,
  matvec,
  matmulMatrix,
  matmulMatrixInt8,
  matmulTiled,
  matmulPair,
  softmax,
  attention,
  attentionDirect,
  attentionMatrix,
  attentionTiled,
  groupAttention,
  frameAttention,
  frameAttentionHeld,
  ringWrite,
  ringRead,
  ringWriteInt8,
  ringReadInt8,
  conv,
  convDirect,
  convMatrix,
  convTiled,
  history,
  avgDown,
  dupUp,
  groupMoments,
  groupMerge,
  groupNorm,
  norm,
  normHeld,
  qkNormRope,
  elementwise,
  gatedAdd,
  decodeWeights,
  quantiseRows,
  quantiseGroups,
  quantiseLongGroups,
  rearrange,
  concat,
  resample,
  tableRow,
  schedulerStep,
  guide,
  limitNorm,
  ddimStep,
  advance,
  blendKeys,
  warp,
  mend,
  toRgba,
];
