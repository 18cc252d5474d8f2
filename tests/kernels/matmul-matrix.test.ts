import { matmulMatrix } from '../../src/engine/kernels/matmul-matrix.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmulMatrix);
