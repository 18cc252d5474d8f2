import { groupNorm } from '../../src/engine/kernels/group-norm.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(groupNorm);
