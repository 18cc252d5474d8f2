/** A written log of runs: how long each stage took, what memory, how it ended. No pictures, no prompts. */
import type { Preset, Work } from '../../engine/index.ts';
import type { KeyedStore } from './database.ts';

/** One run. */
export type RunRecord = {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly model: string;
  readonly family: string;
  readonly preset: Preset;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly steps: number;
  readonly adapter: string;
  /** Precision that was asked for, as the device has it. */
  readonly precision: string;
  readonly outcome: 'done' | 'finished early' | 'cancelled' | 'failed';
  /** Of a failed run. */
  readonly code?: string;
  readonly stage?: string;
  readonly totalMs: number;
  /** Milliseconds by stage. */
  readonly timings: Readonly<Record<string, number>>;
  /** Work by stage, as it was planned. */
  readonly work: Readonly<Record<string, Work>>;
  /** Milliseconds that were foretold for the whole. */
  readonly expectedMs?: number;
  readonly plannedBytes: number;
  /** 0 where the run did not come to its end. */
  readonly peakBytes: number;
  /** Whether it went on from a checkpoint: such a run says little of time. */
  readonly resumed: boolean;
  /** How often the device went away under it. */
  readonly losses: number;
};

/** Runs that are kept. */
const MOST = 500;

export type RunLog = {
  add(record: RunRecord): Promise<void>;
  /** Resolves to all records, the latest first. */
  list(): Promise<RunRecord[]>;
  /** Resolves to the log as CSV text, one line a run. */
  asCsv(): Promise<string>;
  clear(): Promise<void>;
};

/** Returns the log in `store`. */
export function openRunLog(store: KeyedStore<RunRecord>): RunLog {
  const list = async (): Promise<RunRecord[]> =>
    (await store.all()).toSorted((a, b) => b.at - a.at);
  return {
    list,
    async add(record) {
      await store.put(record.id, record);
      for (const { id } of (await list()).slice(MOST)) await store.delete(id);
    },
    async asCsv() {
      return [CSV_HEADER, ...(await list()).map(csvLine)].join('\r\n');
    },
    async clear() {
      for (const { id } of await store.all()) await store.delete(id);
    },
  };
}

const COLUMNS = [
  ...(['model', 'preset', 'width', 'height', 'frames', 'steps', 'adapter', 'precision'] as const),
  ...(['outcome', 'code', 'stage', 'totalMs', 'expectedMs', 'plannedBytes', 'peakBytes'] as const),
  ...(['resumed', 'losses'] as const),
] as const;
const CSV_HEADER = ['time', ...COLUMNS, 'stages (ms)'].join(',');

function csvLine(record: RunRecord): string {
  const stages = Object.entries(record.timings).map(([name, ms]) => `${name} ${Math.round(ms)}`);
  const cells = COLUMNS.map((column) => {
    const value = record[column];
    return typeof value === 'number' ? Math.round(value) : (value ?? '');
  });
  return [new Date(record.at).toISOString(), ...cells, stages.join('; ')].map(quoted).join(',');
}

/** A cell that spreadsheets take for text and never for a formula. */
function quoted(cell: string | number | boolean): string {
  const text = String(cell);
  const safe = /^[=+\-@\t\r]/.test(text) && typeof cell === 'string' ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
