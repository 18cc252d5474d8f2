/** frame-attention-held: frame-attention that reads every row once, for few frames. */
import wgsl from '../../shaders/frame-attention-held.wgsl';
import { frameAttention } from './frame-attention.ts';
import type { Dims, Situation, Values } from './kernel.ts';
import { defineKernel } from './kernel.ts';

/** Workgroup memory that every device has. */
const WORKGROUP_BYTES = 16384;
/** Scores that a lane holds. */
export const MOST_FRAMES = 32;
/** Values of a row that a lane holds. */
export const WIDEST_HELD = 64;
/** A processor takes long to compile more than this, and larger workgroups, and has the rows in its caches anyway. */
const NARROW = 16;

export const frameAttentionHeld = defineKernel({
  ...frameAttention,
  name: 'frame-attention-held',
  wgsl,
  tune: { LANES: [64, 32, 128] },
  // Halves are multiplied as they come; where they are turned to f32 first, eight bytes are a unit.
  choose: ({ D = 4 }, { software }, arithmetic) => ({
    QUADS: arithmetic === 'f16' && D % 8 === 0 ? 2 : 1,
    LANES: arithmetic === 'f32' || software ? 32 : 64,
  }),
  derive({ LANES, QUADS }, { F = 1, heads = 1, D = 4 }) {
    const UNITS = D / 4 / Number(QUADS);
    const PAIRS = Math.floor(Number(LANES) / F);
    const SHARE = Math.ceil((PAIRS * F * UNITS) / Number(LANES)); // units that a lane brings
    return { FRAMES: F, HEADS: heads, UNITS, PAIRS, SHARE };
  },
  suits,
  grid: ({ N = 1, heads = 1 }, { PAIRS }) => [Math.ceil((N * heads) / Number(PAIRS)), 1, 1],
  // A processor writes the whole head out: the narrow ones are enough.
  cases: frameAttention.cases.filter(({ dims: { D } }) => D <= NARROW),
});

function suits(values: Values, { caps, dims, dtypes, arithmetic }: Situation): boolean {
  const { F = 1, D = 4 }: Dims = dims;
  const [PAIRS = 0, UNITS = 0] = [values['PAIRS'], values['UNITS']].map(Number);
  return (
    (arithmetic === 'f32' || (D % 8 === 0 && dtypes['k'] === 'f16' && dtypes['v'] === 'f16')) &&
    F <= MOST_FRAMES &&
    D <= (caps.software ? NARROW : WIDEST_HELD) &&
    !(caps.software && values['LANES'] !== 32) &&
    PAIRS > 0 &&
    16 * PAIRS * (F * (UNITS + 1) + 1) <= WORKGROUP_BYTES
  );
}
