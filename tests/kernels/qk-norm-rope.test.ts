import { qkNormRope } from '../../src/engine/kernels/qk-norm-rope.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(qkNormRope);
