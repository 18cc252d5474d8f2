import { limitNorm } from '../../src/engine/kernels/limit-norm.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(limitNorm);
