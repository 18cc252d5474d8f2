import { attentionTiled } from '../../src/engine/kernels/attention-tiled.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(attentionTiled);
