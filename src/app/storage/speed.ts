/** The speed of a download over the last seconds, so that what is told of its end neither jumps nor lags. */

type Point = { readonly ms: number; readonly bytes: number };

/** Bytes a second over the last `windowMs` milliseconds. */
export class Speed {
  readonly #windowMs: number;
  #points: Point[] = [];

  constructor(windowMs = 8000) {
    this.#windowMs = windowMs;
  }

  /** Notes that `bytes` had come at `ms`; returns the speed, 0 while it is not known. */
  at(ms: number, bytes: number): number {
    const last = this.#points.at(-1);
    // What was there already when a download went on has not come in this time.
    if (last && bytes < last.bytes) this.#points = [];
    this.#points.push({ ms, bytes });
    while ((this.#points[1]?.ms ?? Infinity) <= ms - this.#windowMs) this.#points.shift();
    const first = this.#points[0];
    if (!first || ms <= first.ms) return 0;
    return (1000 * (bytes - first.bytes)) / (ms - first.ms);
  }
}
