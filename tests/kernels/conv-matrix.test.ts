import { convMatrix } from '../../src/engine/kernels/conv-matrix.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(convMatrix);
