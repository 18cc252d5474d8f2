import { avgDown } from '../../src/engine/kernels/avg-down.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(avgDown);
