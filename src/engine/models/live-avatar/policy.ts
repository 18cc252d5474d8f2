/** Which of the avatar's matrices may be stored as small integers. */
import type { IntegerType } from '../../gpu/integers.ts';
import type { WeightPolicy } from '../../graph/graph.ts';
import { usualPolicy } from '../../weights/policy.ts';

/** What packs the past and ends the sound encoder: small, as the reference leaves the latter out of its 8 bits too. */
const KEPT = /(^|\.)(frame_packer|cond_encoder|final_linear)\./;

/** Returns the policy: all matrices of the blocks and injectors, none at the ends. */
export const avatarPolicy = (type: IntegerType): WeightPolicy => {
  const usual = usualPolicy(type);
  return (key, shape) => (KEPT.test(key) ? undefined : usual(key, shape));
};
