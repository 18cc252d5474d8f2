/** How long work takes on the device: repeated until a sample of the device's clock is long enough. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { deviceClock } from '../src/engine/tuning/clock.ts';

export type Timing = {
  /** Median milliseconds of one repeat. */
  readonly ms: number;
  readonly samples: number;
  /** Repeats in a sample. */
  readonly repeats: number;
};

/** Browsers round timestamps to a tenth of a millisecond: in a sample of this length that is half a percent. */
const SAMPLE_MS = 20;
const MOST_REPEATS = 4096;
const FEWEST_SAMPLES = 3;
const MOST_SAMPLES = 25;

/** Resolves to the time of what `encode` puts into a pass, from samples that take about `seconds` together. */
export async function timeWork(
  gpu: Gpu,
  encode: (pass: GPUComputePassEncoder) => void,
  seconds: number,
): Promise<Timing> {
  const clock = deviceClock(gpu);
  await clock.time(encode, 1); // warm-up: caches, clocks, lazy compilation
  let repeats = 1;
  let ms = await clock.time(encode, repeats);
  while (ms < SAMPLE_MS && repeats < MOST_REPEATS) {
    const wanted = Math.ceil((1.2 * SAMPLE_MS * repeats) / Math.max(ms, 0.05));
    repeats = Math.min(MOST_REPEATS, Math.max(2 * repeats, wanted));
    ms = await clock.time(encode, repeats);
  }
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (
    times.length < MOST_SAMPLES &&
    (times.length < FEWEST_SAMPLES || performance.now() < end)
  ) {
    times.push((await clock.time(encode, repeats)) / repeats);
    if (ms > 1000 * seconds) break; // one long sample says enough
  }
  clock.destroy();
  return { ms: median(times), samples: times.length, repeats };
}

/** Returns the middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle) - 1] ?? NaN)) / 2;
}
