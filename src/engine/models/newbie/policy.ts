/** Which of the picture models' matrices may be stored as small integers: those of the blocks, nine tenths of the values. */
import type { WeightPolicy } from '../../graph/graph.ts';
import { policyWhere } from '../../weights/policy.ts';

/** Attention and feed-forward of NextDiT, Gemma and Jina, under the names that their layers ask for. */
const BLOCKS =
  /\.(attention\.(q|k|v|out)|feed_forward\.w[123]|self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj|mixer\.(q|k|v|out_proj)|mlp\.fc[12])\.weight$/;

/** Returns `policy` for the blocks alone: norms, embedders, conditions, modulation and the last layer stay as they are. */
export const blocksOnly = (policy: WeightPolicy | undefined): WeightPolicy | undefined =>
  policy && policyWhere(policy, BLOCKS);
