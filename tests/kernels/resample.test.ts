import { resample } from '../../src/engine/kernels/resample.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(resample);
