import { matmulDirect } from '../../src/engine/kernels/matmul-direct.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmulDirect);
