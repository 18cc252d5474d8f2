import { ringWriteInt8 } from '../../src/engine/kernels/ring-write-int8.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(ringWriteInt8);
