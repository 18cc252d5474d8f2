import { normHeld } from '../../src/engine/kernels/norm-held.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(normHeld);
