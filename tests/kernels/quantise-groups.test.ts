import { quantiseGroups, quantiseLongGroups } from '../../src/engine/kernels/quantise-groups.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(quantiseGroups);
sweepKernel(quantiseLongGroups);
