import { decodeWeights } from '../../src/engine/kernels/decode-weights.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(decodeWeights);
