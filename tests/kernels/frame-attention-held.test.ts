import { frameAttentionHeld } from '../../src/engine/kernels/frame-attention-held.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(frameAttentionHeld);
