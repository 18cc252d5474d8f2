/** How long work takes on the device: repeated until a sample is long enough, by timestamps where there are any. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { GPUUsage } from '../src/engine/gpu/usage.ts';

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
  const sample = gpu.caps.timestamps ? stampedSample(gpu) : wallSample(gpu);
  await sample.run(encode, 1); // warm-up: caches, clocks, lazy compilation
  let repeats = 1;
  let ms = await sample.run(encode, repeats);
  while (ms < SAMPLE_MS && repeats < MOST_REPEATS) {
    const wanted = Math.ceil((1.2 * SAMPLE_MS * repeats) / Math.max(ms, 0.05));
    repeats = Math.min(MOST_REPEATS, Math.max(2 * repeats, wanted));
    ms = await sample.run(encode, repeats);
  }
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (
    times.length < MOST_SAMPLES &&
    (times.length < FEWEST_SAMPLES || performance.now() < end)
  ) {
    times.push((await sample.run(encode, repeats)) / repeats);
    if (ms > 1000 * seconds) break; // one long sample says enough
  }
  sample.destroy();
  return { ms: median(times), samples: times.length, repeats };
}

/** Returns the middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle) - 1] ?? NaN)) / 2;
}

type Sample = {
  /** Resolves to the milliseconds of `repeats` in one pass. */
  run(encode: (pass: GPUComputePassEncoder) => void, repeats: number): Promise<number>;
  destroy(): void;
};

function stampedSample({ device }: Gpu): Sample {
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = device.createBuffer({
    size: 16,
    usage: GPUUsage.queryResolve | GPUUsage.copySrc,
  });
  const read = device.createBuffer({ size: 16, usage: GPUUsage.mapRead | GPUUsage.copyDst });
  return {
    async run(encode, repeats) {
      const encoder = device.createCommandEncoder();
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
      const pass = encoder.beginComputePass({ timestampWrites });
      for (let i = 0; i < repeats; i++) encode(pass);
      pass.end();
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, read, 0, 16);
      device.queue.submit([encoder.finish()]);
      await read.mapAsync(1);
      const [begin = 0n, end = 0n] = new BigUint64Array(read.getMappedRange().slice(0));
      read.unmap();
      return Number(end - begin) / 1e6;
    },
    destroy() {
      querySet.destroy();
      resolved.destroy();
      read.destroy();
    },
  };
}

function wallSample({ device }: Gpu): Sample {
  return {
    async run(encode, repeats) {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let i = 0; i < repeats; i++) encode(pass);
      pass.end();
      const commands = encoder.finish();
      const started = performance.now();
      device.queue.submit([commands]);
      await device.queue.onSubmittedWorkDone();
      return performance.now() - started;
    },
    destroy: () => undefined,
  };
}
