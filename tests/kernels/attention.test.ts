import { attention } from '../../src/engine/kernels/attention.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(attention);
