import { ringRead } from '../../src/engine/kernels/ring-read.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(ringRead);
