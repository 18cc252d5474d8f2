import { gatedAdd } from '../../src/engine/kernels/gated-add.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(gatedAdd);
