import { ringReadInt8 } from '../../src/engine/kernels/ring-read-int8.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(ringReadInt8);
