/** Which weights of a clip's networks may be small integers. */
import type { WeightPolicy } from '../../graph/graph.ts';
import { policyWhere } from '../../weights/policy.ts';

const BLOCKS = /(^|\.)(transformer_blocks\.\d+|encoder\.layers\.\d+)\./;

/**
 * Returns `policy` for the products inside of transformers, those of the UNet and of CLIP's towers. Convolutions, the ends
 * of transformers, the embeddings of time and rate, the projector's and the autoencoder's products stay as they are:
 * kernels read convolutions unquantised, the others are few, and every error in them is seen by all frames.
 */
export const clipPolicy = (policy: WeightPolicy | undefined): WeightPolicy | undefined =>
  policy && policyWhere(policy, BLOCKS);
