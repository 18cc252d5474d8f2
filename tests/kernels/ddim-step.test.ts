import { ddimStep } from '../../src/engine/kernels/ddim-step.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(ddimStep);
