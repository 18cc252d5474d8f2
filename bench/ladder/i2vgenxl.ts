/**
 * I2VGen-XL at 512 × 512, 16 frames, with random weights: the levers that its app has (half precision, a model that stays
 * resident, fused attention, fewer steps) and the engine's own. Times are of a whole clip: few steps are run and counted
 * as often as the clip has them.
 */
import type { LadderModel, LadderSize, Rung } from './ladder.ts';
import { plainSwitches } from './rungs.ts';
import type { I2vgenPlan } from './i2vgenxl-clip.ts';
import { runI2vgen } from './i2vgenxl-clip.ts';

const PLANS: Readonly<Record<LadderSize, I2vgenPlan>> = {
  full: { tiny: false, width: 512, height: 512, frames: 16 },
  tiny: { tiny: true, width: 16, height: 16, frames: 3 },
};

const CLIP_STEPS = 50;

const rungs: readonly Rung[] = [
  { name: 'plain f32', change: {} },
  { name: 'f16 with f32 sums', change: { precision: 'f16' } },
  { name: 'model that stays resident', change: { resident: true } },
  { name: 'fused attention', change: { attention: 'fused' } },
  { name: 'replay of one recording', change: { replay: true } },
  { name: 'fusion', change: { fusion: true } },
  { name: 'text and picture kept as keys and values', change: { context: 'kept' } },
  { name: 'subgroup matrices', change: { matrix: true } },
  { name: 'kernels timed on the device', change: { tuned: true } },
  { name: 'int8 weights', change: { weights: 'i8' }, aside: true },
  { name: '40 steps', change: { steps: 40 } },
];

export const i2vgenxl: LadderModel = {
  name: 'i2vgenxl',
  about(size, timed) {
    const { width, height, frames } = PLANS[size];
    return `I2VGen-XL with random weights, ${width}×${height}, ${frames} frames: a clip from prompt and picture to frames, with both CLIP towers, the picture encoder, ${CLIP_STEPS} guided DDIM steps and the decoder. ${timed} steps are run, the others counted as if they took as long; the latent is that after the steps that were run. Where the model is not resident, its weights are copied from memory and its graphs planned and bound in each clip; shaders are compiled before.`;
  },
  base: (timed) => ({ ...plainSwitches(CLIP_STEPS), resident: false, timed }),
  rungs: () => rungs,
  run: (entry, switches, size) => runI2vgen(entry, PLANS[size], switches),
};
