import { dupUp } from '../../src/engine/kernels/dup-up.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(dupUp);
