import { mend } from '../../src/engine/kernels/mend.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(mend);
