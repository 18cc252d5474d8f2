/** Timings shipped for known devices: written by `npm run tune`, looked up where the user's own are missing. */
import type { Gpu } from '../gpu/device.ts';
import type { TuningRecord } from './store.ts';
import { readRecord } from './store.ts';
import table from './table.json' with { type: 'json' };

/** Returns the entries for the device's vendor and architecture; none for an unknown one or for a processor. */
export function tableFor({ info, caps }: Pick<Gpu, 'info' | 'caps'>): TuningRecord {
  if (caps.software) return {};
  const known = table as Readonly<Record<string, unknown>>;
  return readRecord(known[tableKey({ info, caps })]);
}

/** Returns the name of a family of devices that are tuned alike: by maker, and by what a page may use of them. */
export function tableKey({ info, caps }: Pick<Gpu, 'info' | 'caps'>): string {
  const used = [caps.f16 && 'f16', caps.subgroupMatrix.length > 0 && 'matrices'].filter(Boolean);
  return [info.vendor, info.architecture, ...used].filter(Boolean).join(' ');
}
