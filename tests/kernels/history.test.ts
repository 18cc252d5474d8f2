import { history } from '../../src/engine/kernels/history.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(history);
