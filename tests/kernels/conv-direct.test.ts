import { convDirect } from '../../src/engine/kernels/conv-direct.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(convDirect);
