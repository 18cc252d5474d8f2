import { matmulPair } from '../../src/engine/kernels/matmul-pair.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmulPair);
