/**
 * Weights that arrive on the device while a recording is replayed, each into the place of another that is no longer read.
 * The device's queue keeps the order: what was queued before a write still sees the old values.
 */
import type { Feed, RecordedDispatch } from '../graph/record.ts';

/** One write of a replay, in the order in which they are made. */
export type FeedStep = {
  /** As many dispatches must be queued before: the last of them reads what lies in the place. */
  readonly after: number;
  /** The first dispatch that reads what is written; Infinity when none of this replay does. */
  readonly before: number;
  /** Resolves when the write is queued. */
  readonly write: () => Promise<void>;
};

/** The writes of one replay, made one after the other as the replay lets them. */
export class Feeding implements Feed {
  readonly #steps: readonly FeedStep[];
  readonly #release: () => void;
  readonly #done: Promise<void>;
  #queued = 0;
  #written = 0;
  #stopped = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];

  /** `steps` are in the order of `before`; `release` is called when the last one is made, or none will be. */
  constructor(steps: readonly FeedStep[], release: () => void = () => undefined) {
    this.#steps = steps;
    this.#release = release;
    this.#done = this.#run();
  }

  async ready(next: number): Promise<number> {
    for (;;) {
      if (this.#failure) throw this.#failure.error;
      const before = this.#steps[this.#written]?.before ?? Infinity;
      if (before > next) return before;
      await this.#change();
    }
  }

  queued(end: number): void {
    this.#queued = end;
    this.#tell();
  }

  async end(): Promise<void> {
    await this.#done;
    if (this.#failure) throw this.#failure.error;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#tell();
    await this.#done;
  }

  async #run(): Promise<void> {
    try {
      for (const { after, write } of this.#steps) {
        while (this.#queued < after && !this.#stopped) await this.#change();
        if (this.#stopped) return;
        await write();
        this.#written++;
        this.#tell();
      }
    } catch (error) {
      this.#failure = { error };
      this.#tell();
    } finally {
      this.#release();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Where a weight is read first and last among the dispatches of a replay. */
export type Use = { readonly first: number; readonly last: number };

/** Returns the uses of all weights by key. */
export function usesOf(dispatches: readonly RecordedDispatch[]): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  dispatches.forEach(({ reads }, i) => {
    for (const key of reads) uses.set(key, { first: uses.get(key)?.first ?? i, last: i });
  });
  return uses;
}

/** A unit that has to be in slot `slot` from dispatch `before` on; the slot is free once `after` dispatches are queued. */
export type SlotLoad = {
  readonly unit: number;
  readonly slot: number;
  readonly after: number;
  readonly before: number;
};

/**
 * Returns the loads of a replay of units that share `slots` slots, unit u in slot u mod `slots`, which are empty at the
 * start. `unitOf` tells which unit a key belongs to; undefined for what is always there.
 */
export function slotLoads(
  dispatches: readonly RecordedDispatch[],
  unitOf: (key: string) => number | undefined,
  slots: number,
): readonly SlotLoad[] {
  const held = new Map<number, { unit: number; last: number }>();
  const loads: SlotLoad[] = [];
  dispatches.forEach(({ reads }, i) => {
    for (const unit of new Set(reads.map(unitOf))) {
      if (unit === undefined) continue;
      const slot = unit % slots;
      const holder = held.get(slot);
      if (holder?.unit !== unit)
        loads.push({ unit, slot, after: holder ? holder.last + 1 : 0, before: i });
      held.set(slot, { unit, last: i });
    }
  });
  return loads;
}
