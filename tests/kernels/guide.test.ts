import { guide } from '../../src/engine/kernels/guide.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(guide);
