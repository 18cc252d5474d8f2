import { groupAttention } from '../../src/engine/kernels/group-attention.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(groupAttention);
