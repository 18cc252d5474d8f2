/** Wan 2.2 TI2V-5B at 480×832, 49 frames: 13 latent frames of 15 × 26 tokens, guided. */
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { WAN_5B } from '../operators/blocks.ts';
import type { LadderModel, LadderSize } from './ladder.ts';
import { denoisingRungs, plainSwitches } from './rungs.ts';
import type { WanPlan } from './wan.ts';
import { runWan } from './wan.ts';

const PLANS: Readonly<Record<LadderSize, WanPlan>> = {
  full: {
    config: parseWanConfig({ ...WAN_5B, num_layers: 30 }),
    grid: [13, 30, 52],
    words: [60, 120],
  },
  tiny: {
    config: parseWanConfig({
      ...{ ...WAN_5B, attention_head_dim: 16, num_attention_heads: 2, in_channels: 4 },
      ...{ out_channels: 4, ffn_dim: 32, num_layers: 2, text_dim: 8, text_len: 16, freq_dim: 16 },
    }),
    grid: [2, 8, 8],
    words: [3, 5],
  },
};

export const wan5b: LadderModel = {
  name: 'wan5b',
  about(size, steps) {
    const { config, grid } = PLANS[size];
    const tokens = (grid[0] * grid[1] * grid[2]) / (config.patch.ph * config.patch.pw);
    return `Wan 2.2 TI2V-5B's transformer (${config.layers} blocks of width ${config.width}) with random weights, ${tokens} tokens, ${steps} guided UniPC steps; time from the text's rows to the clean latent.`;
  },
  base: plainSwitches,
  rungs: (steps) => denoisingRungs(steps, 0.06),
  run: (entry, switches, size) => runWan(entry, PLANS[size], switches),
};
