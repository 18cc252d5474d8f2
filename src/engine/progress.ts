/** How far a run is and how long it still takes, over all its stages: the guess is corrected as each stage shows its speed. */

export type StageCost = {
  readonly name: string;
  /** Equal pieces of work that are reported one by one. */
  readonly steps: number;
  /** Expected cost of a step: milliseconds, or any unit shared by all stages. */
  readonly cost: number;
};

/** How far a run is. */
export type ProgressEvent = {
  readonly stage: string;
  /** Steps of this stage that are done; parts of a step count. */
  readonly step: number;
  readonly steps: number;
  /** Share of the whole run, by time, 0 … 1; it never falls. */
  readonly done: number;
  /** Milliseconds to go, over all stages; absent while nothing is known. */
  readonly leftMs?: number;
};

export type ProgressOptions = {
  readonly now?: () => number;
  /** How much the plan's costs count against what is measured, as a share of the run; 0: they are no milliseconds. */
  readonly trust?: number;
};

/** Less than this measured says nothing about speed. */
const LEAST_MS = 20;
/** Steps that a stage's expected cost counts for against its own steps, where costs are milliseconds. */
const OWN_PRIOR = 0.25;

/** Where a stage was at a moment. */
type Mark = { readonly step: number; readonly at: number };

/** Follows a run through its stages in order. */
export class Progress {
  readonly #plan: readonly StageCost[];
  readonly #report: (event: ProgressEvent) => void;
  readonly #now: () => number;
  readonly #trust: number;
  /** Milliseconds that each stage has taken so far. */
  readonly #elapsed = new Map<string, number>();
  #stage = 0;
  #started: number;
  #reported: number;
  /** The first report of this stage with something done: what came before it may have been compiling and loading. */
  #first: Mark | undefined;
  #done = 0;
  /** Steps that an earlier run did, by stage. */
  readonly #skipped = new Map<string, number>();

  constructor(
    plan: readonly StageCost[],
    report: (event: ProgressEvent) => void,
    { now = () => performance.now(), trust = 0 }: ProgressOptions = {},
  ) {
    this.#plan = plan;
    this.#report = report;
    this.#now = now;
    this.#trust = trust;
    this.#started = now();
    this.#reported = this.#started;
  }

  /** Milliseconds by stage, for those that were entered. */
  get timings(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#elapsed);
  }

  /** Says that a share (0 … 1) of `stage` need not be done: an earlier run did. */
  skip(stage: string, share: number): void {
    const steps = this.#plan.find(({ name }) => name === stage)?.steps ?? 0;
    this.#skipped.set(stage, share * steps);
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
    const leftMs = this.#left(entry, step, now);
    if (step > 0) this.#first ??= { step, at: now };
    this.#done = Math.min(1, Math.max(this.#done, this.#share(step, leftMs)));
    const measured = leftMs === undefined ? {} : { leftMs };
    this.#report({ stage, step, steps: entry.steps, done: this.#done, ...measured });
  }

  /** A first report of nothing done marks the beginning; else the stage was at work since the report before. */
  #enter(index: number, share: number, now: number): void {
    const before = this.#plan[this.#stage];
    const start = share === 0 ? now : this.#reported;
    if (before) this.#elapsed.set(before.name, start - this.#started);
    this.#stage = index;
    this.#started = start;
    this.#first = undefined;
  }

  #left(current: StageCost, step: number, now: number): number | undefined {
    const total = costOf(this.#plan);
    const doneCost = this.#doneCost(current, step);
    const doneMs = this.#spent();
    const known = doneMs >= LEAST_MS && doneCost > 0;
    if (!known && this.#trust === 0) return undefined;
    const prior = this.#trust * total;
    const msPerCost = (prior + (known ? doneMs : 0)) / (prior + (known ? doneCost : 0));
    const own = this.#ownRate(current, step, now, msPerCost);
    const later = costOf(this.#plan.slice(this.#stage + 1));
    return own * Math.max(0, current.steps - step) + msPerCost * later;
  }

  /** Milliseconds a step of the current stage: by those it has shown, the later ones where there are several reports. */
  #ownRate({ name, cost }: StageCost, step: number, now: number, msPerCost: number): number {
    const usual = msPerCost * cost;
    const skipped = this.#skipped.get(name) ?? 0;
    const from = this.#first ?? { step: Math.min(step, skipped), at: this.#started };
    const [steps, ms] = [step - from.step, now - from.at];
    if (this.#trust > 0) return (OWN_PRIOR * usual + (steps > 0 ? ms : 0)) / (OWN_PRIOR + steps);
    return steps > 0 && ms >= LEAST_MS ? ms / steps : usual;
  }

  /** Cost of what this run did so far. */
  #doneCost(current: StageCost, step: number): number {
    const skipped = ({ name, cost }: StageCost): number => cost * (this.#skipped.get(name) ?? 0);
    const before = this.#plan.slice(0, this.#stage);
    const own = Math.max(0, step * current.cost - skipped(current));
    return before.reduce((sum, each) => sum + each.steps * each.cost - skipped(each), own);
  }

  #spent(): number {
    return this.#plan
      .slice(0, this.#stage + 1)
      .reduce((sum, { name }) => sum + (this.#elapsed.get(name) ?? 0), 0);
  }

  #share(step: number, leftMs: number | undefined): number {
    const current = this.#plan[this.#stage];
    if (leftMs !== undefined) return leftMs === 0 ? 1 : this.#spent() / (this.#spent() + leftMs);
    const done = costOf(this.#plan.slice(0, this.#stage)) + step * (current?.cost ?? 0);
    return done / costOf(this.#plan);
  }
}

const costOf = (stages: readonly StageCost[]): number =>
  stages.reduce((sum, { steps, cost }) => sum + steps * cost, 0);
