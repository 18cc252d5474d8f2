import { groupMoments } from '../../src/engine/kernels/group-moments.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(groupMoments);
