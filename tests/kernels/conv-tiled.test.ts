import { convTiled } from '../../src/engine/kernels/conv-tiled.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(convTiled);
