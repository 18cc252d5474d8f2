import { blendKeys } from '../../src/engine/kernels/blend-keys.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(blendKeys);
