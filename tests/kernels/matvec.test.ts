import { matvec } from '../../src/engine/kernels/matvec.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(matvec);
