import { quantiseRows } from '../../src/engine/kernels/quantise-rows.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(quantiseRows);
