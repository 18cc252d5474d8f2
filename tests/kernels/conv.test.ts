import { conv } from '../../src/engine/kernels/conv.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(conv);
