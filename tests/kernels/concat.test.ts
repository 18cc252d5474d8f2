import { concat } from '../../src/engine/kernels/concat.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(concat);
