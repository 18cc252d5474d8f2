import { attentionMatrix } from '../../src/engine/kernels/attention-matrix.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(attentionMatrix);
