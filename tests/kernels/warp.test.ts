import { warp } from '../../src/engine/kernels/warp.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(warp);
