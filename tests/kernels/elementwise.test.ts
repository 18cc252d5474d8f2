import { elementwise } from '../../src/engine/kernels/elementwise.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(elementwise);
