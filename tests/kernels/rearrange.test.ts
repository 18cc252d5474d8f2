import { rearrange } from '../../src/engine/kernels/rearrange.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(rearrange);
