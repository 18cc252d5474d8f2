/** Finds the fastest of several ways to do the same; the default wins unless another is clearly faster. */

export type RaceOptions = {
  /** Resolves to the milliseconds that way `index` took once more. */
  readonly sample: (index: number) => Promise<number>;
  /** Milliseconds on a clock of its own. */
  readonly now: () => number;
  /** Moment on that clock after which no sample begins. */
  readonly deadline: number;
};

export type RaceResult = {
  /** 0, the default, unless another won. */
  readonly winner: number;
  /** Time of the winner as a share of the default's; 1 for the default. */
  readonly ratio: number;
};

const ROUNDS = 3;
/** Another way must be this much faster than the default. */
const MARGIN = 0.04;
/** What is this much slower than the best after a round takes no part in the next. */
const HOPELESS = 1.25;

/**
 * Resolves to the winner among `count` ways. They take turns, so that a clock that changes speed favours none; a way
 * that was sampled fewer times than the default cannot win.
 */
export async function race(
  count: number,
  { sample, now, deadline }: RaceOptions,
): Promise<RaceResult> {
  const times = Array.from({ length: count }, (): number[] => []);
  let alive = times.map((_, index) => index);
  for (let round = 0; round < ROUNDS && alive.length > 1; round++) {
    for (const index of alive) {
      if (now() >= deadline) return verdict(times);
      times[index]?.push(await sample(index));
    }
    const best = Math.min(...alive.map((index) => leastOf(times[index])));
    alive = alive.filter((index) => index === 0 || leastOf(times[index]) <= HOPELESS * best);
  }
  return verdict(times);
}

const leastOf = (times: readonly number[] = []): number => Math.min(...times);

function verdict([own = [], ...others]: readonly (readonly number[])[]): RaceResult {
  const none: RaceResult = { winner: 0, ratio: 1 };
  if (own.length < 2) return none;
  return others.reduce<RaceResult>((best, times, index) => {
    const ratio = medianOf(times) / medianOf(own);
    const wins = times.length >= own.length && ratio <= 1 - MARGIN && ratio < best.ratio;
    return wins ? { winner: index + 1, ratio } : best;
  }, none);
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}
