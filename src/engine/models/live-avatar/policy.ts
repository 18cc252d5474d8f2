/** Which of the avatar's matrices may be stored as small integers. */
import type { WeightPolicy } from '../../graph/graph.ts';
import type { WeightsChoice } from '../../weights/policy.ts';
import { policyFor, policyWhere } from '../../weights/policy.ts';

/** All but what packs the past and ends the sound encoder, which is small, as the reference leaves the latter out of its 8 bits too. */
const OTHERS = /^(?!(.*\.)?(frame_packer|cond_encoder|final_linear)\.)/;

/** Returns the policy: all matrices of the blocks and injectors, none at the ends. */
export const avatarPolicy = (weights: WeightsChoice | undefined): WeightPolicy | undefined => {
  const usual = policyFor(weights);
  return usual && policyWhere(usual, OTHERS);
};
