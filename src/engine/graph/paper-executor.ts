/** Runs nothing and adds up what there would be to do: for forecasts on a device on paper. */
import type { Recording } from './record.ts';
import type { ReplayOptions } from './replay.ts';
import { Executor } from './replay.ts';
import type { Work } from './work.ts';
import { workOf } from './work.ts';

/** Counts work in place of doing it. */
export class PaperExecutor extends Executor {
  /** Work of each recording that was to be run, in order. */
  runs: Work[] = [];
  /** Pipelines of those recordings that no recording before had. */
  readonly #seen = new Set<GPUComputePipeline>();

  /** Returns the work of one run of a recording; pipelines count the first time that they are seen. */
  count({ dispatches }: Recording): Work {
    const before = this.#seen.size;
    for (const { pipeline } of dispatches) this.#seen.add(pipeline);
    return { ...workOf(dispatches), pipelines: this.#seen.size - before };
  }

  override async replay(recording: Recording, { onProgress }: ReplayOptions = {}): Promise<void> {
    this.runs.push(this.count(recording));
    onProgress?.(1);
  }
}
