import { matmulDp4a } from '../../src/engine/kernels/matmul-dp4a.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmulDp4a);
