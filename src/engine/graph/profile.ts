/** Times of what runs on the device, from timestamp queries: each dispatch in a pass of its own while this is on. */
import type { Gpu } from '../gpu/device.ts';
import { EngineError } from '../gpu/errors.ts';
import { GPUUsage } from '../gpu/usage.ts';
import type { RecordedDispatch } from './record.ts';

/**
 * One dispatch on the device, one slice that the CPU encodes, or other work of the host. Times are milliseconds on the
 * clock of `performance.now()`.
 */
export type Span = {
  readonly track: 'device' | 'encode' | 'host';
  readonly stage: string;
  /** Kernel; `slice` where the CPU encodes; what the host does. */
  readonly kernel: string;
  /** Module path and kernel. */
  readonly label: string;
  readonly beginMs: number;
  readonly endMs: number;
  readonly flops: number;
  readonly bytes: number;
};

/** A query set may hold 4096 entries, two for each dispatch. */
const MOST_DISPATCHES = 2048;

/** Collects the times of the executors it is given to. */
export class Profiler {
  readonly #gpu: Gpu;
  readonly #spans: Span[] = [];
  #stage = 'run';
  /** What to add to the device's clock, in ms, to get the page's; known after the first slice. */
  #offsetMs: number | undefined;

  /** Throws `gpu/timestamps` on a device without timestamp queries. */
  constructor(gpu: Gpu) {
    if (!gpu.caps.timestamps) {
      throw new EngineError(
        'gpu/timestamps',
        'profile — this device gives no timestamps, needs the feature timestamp-query',
      );
    }
    this.#gpu = gpu;
  }

  /** Dispatches that one slice may hold. */
  readonly maxDispatches = MOST_DISPATCHES;

  get spans(): readonly Span[] {
    return this.#spans;
  }

  /** Names what is run from now on, where the run has no name of its own. */
  enter(stage: string): void {
    this.#stage = stage;
  }

  /** Takes the time of work beside the device. */
  async host<T>(stage: string, what: string, work: () => Promise<T>): Promise<T> {
    const beginMs = performance.now();
    try {
      return await work();
    } finally {
      this.#spans.push({
        ...{ track: 'host', stage, kernel: what, label: what, flops: 0, bytes: 0 },
        ...{ beginMs, endMs: performance.now() },
      });
    }
  }

  /**
   * Encodes `dispatches` with a stamp before and behind each. The function returned submits them; its promise resolves
   * when their times are among `spans`.
   */
  encode(
    encoder: GPUCommandEncoder,
    dispatches: readonly RecordedDispatch[],
    stage = this.#stage,
  ): () => Promise<void> {
    const { device } = this.#gpu;
    const begin = performance.now();
    const count = 2 * dispatches.length;
    const querySet = device.createQuerySet({ label: 'profile', type: 'timestamp', count });
    const buffer = (usage: number): GPUBuffer =>
      device.createBuffer({ label: 'profile', size: 8 * count, usage });
    const resolved = buffer(GPUUsage.queryResolve | GPUUsage.copySrc);
    const read = buffer(GPUUsage.mapRead | GPUUsage.copyDst);
    dispatches.forEach(({ pipeline, bindGroup, grid }, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet,
          beginningOfPassWriteIndex: 2 * i,
          endOfPassWriteIndex: 2 * i + 1,
        },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...grid);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, read, 0, 8 * count);
    return async () => {
      device.queue.submit([encoder.finish()]);
      const submitted = performance.now();
      this.#spans.push({
        ...{ track: 'encode', stage, kernel: 'slice', flops: 0, bytes: 0 },
        label: `${dispatches.length} dispatches`,
        ...{ beginMs: begin, endMs: submitted },
      });
      await read.mapAsync(1);
      const stamps = new BigUint64Array(read.getMappedRange().slice(0));
      this.#keep(stage, dispatches, stamps, submitted);
      read.destroy();
      resolved.destroy();
      querySet.destroy();
    };
  }

  #keep(
    stage: string,
    dispatches: readonly RecordedDispatch[],
    stamps: BigUint64Array,
    submitted: number,
  ): void {
    const at = (index: number): number => Number(stamps[index] ?? 0n) / 1e6;
    const offset = (this.#offsetMs ??= submitted - at(0));
    dispatches.forEach(({ label, kernel, flops, bytes }, i) => {
      // Some devices stamp the end of a pass before its beginning by a tick.
      const beginMs = at(2 * i) + offset;
      const endMs = Math.max(beginMs, at(2 * i + 1) + offset);
      this.#spans.push({ track: 'device', stage, kernel, label, beginMs, endMs, flops, bytes });
    });
  }
}
