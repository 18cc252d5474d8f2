/** The latest progress of a run, kept going between reports: the time left runs down, the time so far runs up. */
import type { ProgressEvent } from '../engine/index.ts';

export type LiveProgress = ProgressEvent & { readonly elapsedMs: number };

export class RunningClock {
  readonly #started = performance.now();
  #latest: ProgressEvent | undefined;
  #at = 0;

  take(event: ProgressEvent): void {
    this.#latest = event;
    this.#at = performance.now();
  }

  /** Returns progress as of this moment; undefined before the first report. */
  read(): LiveProgress | undefined {
    if (!this.#latest) return undefined;
    const now = performance.now();
    const { leftMs } = this.#latest;
    const left = leftMs === undefined ? {} : { leftMs: Math.max(0, leftMs - (now - this.#at)) };
    return { ...this.#latest, ...left, elapsedMs: now - this.#started };
  }
}
