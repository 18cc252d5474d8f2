/** How far a run is and how long it still takes, over all its stages: the guess is corrected as each stage shows its speed. */

export type StagePlan = {
  readonly name: string;
  /** Equal pieces of work that are reported one by one. */
  readonly steps: number;
  /** Expected cost of a step, in any unit shared by all stages. */
  readonly cost: number;
};

/** How far a run is. */
export type ProgressEvent = {
  readonly stage: string;
  /** Steps of this stage that are done; parts of a step count. */
  readonly step: number;
  readonly steps: number;
  /** Share of the whole run, 0 … 1. */
  readonly done: number;
  /** Milliseconds to go; absent while nothing has been measured. */
  readonly leftMs?: number;
};

/** Less than this measured says nothing about speed. */
const LEAST_MS = 20;

/** Follows a run through its stages in order. */
export class Progress {
  readonly #plan: readonly StagePlan[];
  readonly #report: (event: ProgressEvent) => void;
  readonly #now: () => number;
  /** Milliseconds that each stage has taken so far. */
  readonly #elapsed = new Map<string, number>();
  #stage = 0;
  #started: number;
  #reported: number;

  constructor(
    plan: readonly StagePlan[],
    report: (event: ProgressEvent) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#plan = plan;
    this.#report = report;
    this.#now = now;
    this.#started = now();
    this.#reported = this.#started;
  }

  /** Milliseconds by stage, for those that were entered. */
  get timings(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#elapsed);
  }

  /** Says that a share (0 … 1) of `stage` is done; entering a later stage ends the ones before it. */
  advance(stage: string, share: number): void {
    const index = this.#plan.findIndex(({ name }) => name === stage);
    const entry = this.#plan[index];
    if (!entry) throw new RangeError(`no stage "${stage}" in the plan`);
    const now = this.#now();
    if (index !== this.#stage) this.#enter(index, share, now);
    this.#reported = now;
    this.#elapsed.set(stage, now - this.#started);
    const step = share * entry.steps;
    const { done, leftMs } = this.#estimate(step);
    const measured = leftMs === undefined ? {} : { leftMs };
    this.#report({ stage, step, steps: entry.steps, done, ...measured });
  }

  /** A first report of nothing done marks the beginning; else the stage was at work since the report before. */
  #enter(index: number, share: number, now: number): void {
    const before = this.#plan[this.#stage];
    const start = share === 0 ? now : this.#reported;
    if (before) this.#elapsed.set(before.name, start - this.#started);
    this.#stage = index;
    this.#started = start;
  }

  #estimate(step: number): { done: number; leftMs?: number } {
    const plan = this.#plan;
    let doneCost = 0;
    let doneMs = 0;
    plan.slice(0, this.#stage).forEach(({ name, steps, cost }) => {
      doneCost += steps * cost;
      doneMs += this.#elapsed.get(name) ?? 0;
    });
    const current = plan[this.#stage];
    if (!current) return { done: 1, leftMs: 0 };
    const currentMs = this.#elapsed.get(current.name) ?? 0;
    doneCost += step * current.cost;
    doneMs += currentMs;
    const total = plan.reduce((sum, { steps, cost }) => sum + steps * cost, 0);
    const done = Math.min(1, doneCost / total);
    if (doneMs < LEAST_MS || doneCost === 0) return { done };
    const msPerCost = doneMs / doneCost;
    // A stage that has shown a step of its own is judged by that, the ones to come by all so far.
    const ownRate = step > 0 && currentMs >= LEAST_MS ? currentMs / step : msPerCost * current.cost;
    const later = plan.slice(this.#stage + 1).reduce((sum, s) => sum + s.steps * s.cost, 0);
    return { done, leftMs: ownRate * Math.max(0, current.steps - step) + msPerCost * later };
  }
}
