import { norm } from '../../src/engine/kernels/norm.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(norm);
