import { advance } from '../../src/engine/kernels/advance.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(advance);
