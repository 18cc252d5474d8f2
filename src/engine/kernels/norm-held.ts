/** norm-held: norm that reads each row once and keeps it in registers, for rows that fit there. */
import wgsl from '../../shaders/norm-held.wgsl';
import type { Capabilities } from '../gpu/device.ts';
import { fitsQuads, quadsFor } from './declare-quads.ts';
import type { Dims, Values } from './kernel.ts';
import { defineKernel } from './kernel.ts';
import { norm } from './norm.ts';

/** Runs that a lane holds of one row at most, and of all its rows. */
const MOST_HELD = 8;
const MOST_RUNS = 12;
/** A lane should hold about this many: more keep too few lanes busy, fewer leave too little under way. */
const USUAL = 3;

const runsOf = ({ C = 1 }: Dims, { QUADS }: Values): number =>
  Math.ceil(C / 4) / Number(QUADS ?? 1);

/** Lanes of a workgroup, where one team does not need more. */
const LANES = 128;

/** Long rows of halves do better with eight bytes a lane and twice as many of them under way. */
const LONG = { from: 1024, to: 6144, held: 2 * USUAL };
/** Teams up to which a workgroup has rows enough without a second one for each. */
const NARROW = 4;

const TEAMS = [256, 128, 64, 32, 16, 8, 4, 2] as const;

/** The smallest team whose lanes hold no more than `most` runs. */
const teamFor = (dims: Dims, values: Values, most = USUAL): number =>
  TEAMS.findLast((team) => team * most >= runsOf(dims, values)) ?? TEAMS[0];

const derive = (values: Values, dims: Dims): Values => ({
  LANES: Math.max(LANES, Number(values['TEAM'])),
  HELD: Math.ceil(runsOf(dims, values) / Number(values['TEAM'])),
  WHOLE: (dims['C'] ?? 1) % 4 === 0 && runsOf(dims, values) % Number(values['TEAM']) === 0,
});

export const normHeld = defineKernel({
  ...norm,
  name: 'norm-held',
  wgsl,
  tune: { TEAM: TEAMS, ROWS: [2, 1, 4], QUADS: [2, 1], SUBGROUPS: [true, false] },
  choose(dims, caps, arithmetic) {
    const { QUADS = 1 } = quadsFor(dims, arithmetic);
    const { C = 1 } = dims;
    const long = QUADS === 2 && C >= LONG.from && C <= LONG.to && !caps.software;
    const team = long
      ? { QUADS: 1, TEAM: teamFor(dims, { QUADS: 1 }, LONG.held) }
      : { QUADS, TEAM: teamFor(dims, { QUADS }) };
    const one = caps.software || (QUADS === 2 && team.TEAM <= NARROW);
    const { HELD } = derive(team, dims);
    const values = { ...team, ROWS: one || 2 * Number(HELD) > MOST_RUNS ? 1 : 2, SUBGROUPS: true };
    return { ...values, SUBGROUPS: teamsFit({ ...values, ...derive(values, dims) }, caps) };
  },
  derive,
  suits: (values, { dims, caps }) =>
    fitsQuads(values, dims) && held(values, dims, caps) && teamsFit(values, caps),
  grid: ({ rows = 1 }, { TEAM, ROWS, LANES }) => [
    Math.ceil(rows / Number(ROWS) / (Number(LANES) / Number(TEAM))),
    1,
    1,
  ],
  // Processors compile for long: one case with two rows at a time.
  cases: norm.cases.map((test, i) => ({
    ...test,
    values: { ...test.values, ROWS: i === 0 ? 2 : 1 },
  })),
});

/** Whether lanes hold as much as they should: a processor compiles for long, so it gets the one best team. */
function held(values: Values, dims: Dims, { software }: Capabilities): boolean {
  const [HELD = 1, ROWS = 1, TEAM = 1] = [values['HELD'], values['ROWS'], values['TEAM']].map(
    Number,
  );
  const best = teamFor(dims, values);
  if (HELD > MOST_HELD || HELD * ROWS > MOST_RUNS) return false;
  return software ? TEAM === best && ROWS <= 2 : TEAM >= best / 2 && TEAM <= 2 * best;
}

/** Whether teams are whole workgroups or lie in one subgroup, where subgroups add up. */
function teamsFit({ SUBGROUPS, TEAM, LANES }: Values, caps: Capabilities): boolean {
  const { min, max } = caps.subgroupSize;
  if (SUBGROUPS !== true) return true;
  const inside = min === max && Number(TEAM) <= Math.min(32, min);
  return caps.subgroups && (inside || (Number(TEAM) > 32 && TEAM === LANES));
}
