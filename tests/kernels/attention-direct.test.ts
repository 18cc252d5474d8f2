import { attentionDirect } from '../../src/engine/kernels/attention-direct.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(attentionDirect);
