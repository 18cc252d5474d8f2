/** Where timings are kept between runs, and how they are read back: with distrust. */
import type { Choice } from '../kernels/select.ts';

/** What was found for one kind and size of call. `ratio` is its time as a share of the default's. */
export type TuningEntry = Choice & { readonly ratio: number };

/** Entries by `callKey`. */
export type TuningRecord = Readonly<Record<string, TuningEntry>>;

/** Keeps one record for each adapter; see `adapterKey`. */
export type TuningStore = {
  /** Resolves to what was saved, unchecked; undefined when there is nothing. */
  load(adapter: string): Promise<unknown>;
  save(adapter: string, record: TuningRecord): Promise<void>;
};

/** Returns the entries of `value` that have the form of one; a damaged record costs time, never a result. */
export function readRecord(value: unknown): TuningRecord {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]): [string, TuningEntry][] => {
      const { kernel, values, ratio } = (entry ?? {}) as Readonly<Record<string, unknown>>;
      const fits =
        typeof kernel === 'string' &&
        typeof ratio === 'number' &&
        typeof values === 'object' &&
        values !== null &&
        Object.values(values).every((v) => ['number', 'boolean', 'string'].includes(typeof v));
      return fits ? [[key, { kernel, ratio, values: values as Choice['values'] }]] : [];
    }),
  );
}

/** Keeps records as long as the object lives. */
export function memoryStore(): TuningStore {
  const records = new Map<string, TuningRecord>();
  return {
    load: (adapter) => Promise.resolve(records.get(adapter)),
    save: (adapter, record) => {
      records.set(adapter, record);
      return Promise.resolve();
    },
  };
}
