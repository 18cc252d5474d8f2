/** Tables of rotary position angles, formed on the CPU in f64: GPUs keep only 2⁻¹¹ of a sine. */
import { EngineError } from '../gpu/errors.ts';

/** Where a token stands: frame, row, column. */
export type Position = readonly [frame: number, row: number, column: number];

/**
 * Returns cos and sin of every pair of a head for tokens at `positions`: [tokens, D], pair j at 2j and 2j + 1. Frames
 * take D/2 − 2⌊D/6⌋ pairs, rows and columns ⌊D/6⌋ each; pair i of n turns by position · theta^(−i/n).
 */
export function ropeTableAt(
  positions: readonly Position[],
  D: number,
  theta = 10000,
): Float32Array<ArrayBuffer> {
  const side = Math.floor(D / 6);
  // Many tokens share a row or a column: the angles of each place are formed once.
  const axes = [D / 2 - 2 * side, side, side].map((pairs) => anglesAt(pairs, theta));
  const table = new Float32Array(positions.length * D);
  let at = 0;
  for (const position of positions) {
    axes.forEach((angles, axis) => {
      const turned = angles(position[axis] ?? 0);
      table.set(turned, at);
      at += turned.length;
    });
  }
  return table;
}

/** Returns a function from a place on an axis to cos and sin of its pairs. */
function anglesAt(pairs: number, theta: number): (position: number) => Float32Array {
  const known = new Map<number, Float32Array>();
  return (position) => {
    const found = known.get(position);
    if (found) return found;
    const turned = Float32Array.from({ length: 2 * pairs }, (_, k) => {
      const angle = position * theta ** (-Math.floor(k / 2) / pairs);
      return k % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
    });
    known.set(position, turned);
    return turned;
  };
}

/**
 * Returns the table of every token of the grid [F, H, W]; see `ropeTableAt`.
 * Throws `graph/rope` when an axis has `limit` positions or more than that.
 */
export function ropeTable3d(
  [F, H, W]: readonly [number, number, number],
  D: number,
  { theta = 10000, limit = Infinity }: { theta?: number; limit?: number } = {},
): Float32Array {
  const longest = Math.max(F, H, W);
  if (longest > limit) {
    throw new EngineError(
      'graph/rope',
      `positions — got ${longest} along one axis, this model knows ${limit} — use a smaller size`,
      { have: longest, need: limit },
    );
  }
  return ropeTableAt(gridPositions([F, H, W]), D, theta);
}

/** Returns the position of every token of the grid [F, H, W], its first frame at `first`. */
export const gridPositions = (
  [F, H, W]: readonly [number, number, number],
  first = 0,
): Position[] =>
  Array.from({ length: F * H * W }, (_, token) => [
    first + Math.floor(token / (H * W)),
    Math.floor(token / W) % H,
    token % W,
  ]);

/**
 * Returns the sinusoid of a timestep, 0 … 1000: `width / 2` cosines, then as many sines, of t · 10000^(−i / (width / 2)).
 */
export function timestepSinusoid(t: number, width: number): Float32Array {
  const half = Math.floor(width / 2);
  return Float32Array.from({ length: width }, (_, i) => {
    const angle = t * 10000 ** (-(i % half) / half);
    return i < half ? Math.cos(angle) : Math.sin(angle);
  });
}

/**
 * Returns cos and sin of every pair for tokens at `positions`, which have a place on each axis: [positions, width]. The
 * pairs of each axis turn by place · rate, one axis after another; what is left of a row is zero.
 */
export function axisRopeTable(
  positions: readonly (readonly number[])[],
  rates: readonly (readonly number[])[],
  width: number,
): Float32Array<ArrayBuffer> {
  const table = new Float32Array(positions.length * width);
  positions.forEach((places, token) => {
    let at = token * width;
    rates.forEach((own, axis) => {
      for (const rate of own) {
        table[at++] = Math.cos((places[axis] ?? 0) * rate);
        table[at++] = Math.sin((places[axis] ?? 0) * rate);
      }
    });
  });
  return table;
}

/** Returns the rates theta^(−2j / width) of the width / 2 pairs of an axis. */
export const ropeRates = (width: number, theta: number): number[] =>
  Array.from({ length: width / 2 }, (_, j) => theta ** ((-2 * j) / width));
