/** Chance that is the same in every run, apart from the engine's own. */

/** Marsaglia's xorshift32: returns a function that gives whole numbers from 0 to below its argument. */
export function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
