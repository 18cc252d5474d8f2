import { schedulerStep } from '../../src/engine/kernels/scheduler-step.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(schedulerStep);
