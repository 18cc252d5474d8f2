import { groupMerge } from '../../src/engine/kernels/group-merge.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(groupMerge);
