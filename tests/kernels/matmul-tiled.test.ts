import { matmulTiled } from '../../src/engine/kernels/matmul-tiled.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matmulTiled);
