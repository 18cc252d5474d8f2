/** Runs contenders against each other: every round takes a sample of each in turn, so that a change of clocks meets all. */
import type { Contender } from './contender.ts';
import { median } from './timing.ts';

export type Timed = {
  /** Median milliseconds of one run. */
  readonly ms: number;
  /** Fastest and slowest sample. */
  readonly range: readonly [number, number];
  readonly samples: number;
  /** Runs in a sample. */
  readonly repeats: number;
};

export type RaceOptions = {
  /** Time that each contender is given, warm-up left out. */
  readonly seconds: number;
  readonly rounds: number;
};

/** A sample shorter than this says little: submission, waiting and clocks make up too much of it. */
const SAMPLE_MS = 20;
const MOST_REPEATS = 2048;

/** Resolves to the times of each contender, in the order given. */
export async function race(
  contenders: readonly Contender[],
  { seconds, rounds }: RaceOptions,
): Promise<Timed[]> {
  const lanes = [];
  for (const contender of contenders) {
    const { repeats, ms } = await warmUp(contender);
    lanes.push({ contender, repeats, last: ms, spent: 0, times: [] as number[] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const lane of lanes) {
      if (lane.times.length > 0 && lane.spent + lane.last > 1000 * seconds) continue;
      lane.last = await sample(lane.contender, lane.repeats);
      lane.spent += lane.last;
      lane.times.push(lane.last / lane.repeats);
    }
  }
  return lanes.map(({ repeats, times }) => ({
    ms: median(times),
    range: [Math.min(...times), Math.max(...times)],
    samples: times.length,
    repeats,
  }));
}

/** Runs until a sample is long enough; the first run, which compiles and allocates, does not count. */
async function warmUp(contender: Contender): Promise<{ repeats: number; ms: number }> {
  let repeats = 1;
  let ms = await sample(contender, 1);
  while (ms < SAMPLE_MS && repeats < MOST_REPEATS) {
    const wanted = Math.ceil((1.3 * SAMPLE_MS * repeats) / Math.max(ms, 0.1));
    repeats = Math.min(MOST_REPEATS, 16 * repeats, Math.max(2 * repeats, wanted));
    ms = await sample(contender, repeats);
  }
  return { repeats, ms };
}

async function sample(contender: Contender, repeats: number): Promise<number> {
  const start = performance.now();
  await contender.run(repeats);
  return performance.now() - start;
}
