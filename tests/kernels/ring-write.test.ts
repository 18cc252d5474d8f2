import { ringWrite } from '../../src/engine/kernels/ring-write.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(ringWrite);
