import { softmax } from '../../src/engine/kernels/softmax.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(softmax);
