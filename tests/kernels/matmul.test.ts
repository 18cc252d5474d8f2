import { matmul } from '../../src/engine/kernels/matmul.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmul);
