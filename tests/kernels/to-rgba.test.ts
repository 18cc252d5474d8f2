import { toRgba } from '../../src/engine/kernels/to-rgba.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(toRgba);
