import { matmulMatrixInt8 } from '../../src/engine/kernels/matmul-matrix-int8.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmulMatrixInt8);
