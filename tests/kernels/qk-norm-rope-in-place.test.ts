import { qkNormRopeInPlace } from '../../src/engine/kernels/qk-norm-rope-in-place.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(qkNormRopeInPlace);
