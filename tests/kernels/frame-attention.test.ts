import { frameAttention } from '../../src/engine/kernels/frame-attention.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(frameAttention);
