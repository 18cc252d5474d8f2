/** What is known of this machine's speed and memory, and what a run will take by that. */
import { probeSpeeds, residentEngine, resolveSettings } from '../../engine/index.ts';
import type {
  ExpectedStage,
  Gpu,
  Preset,
  RunPlan,
  RunnableModel,
  Settings,
  Speeds,
} from '../../engine/index.ts';
import type { KeyedStore } from '../jobs/database.ts';
import type { RunKind } from '../jobs/estimate.ts';
import { correctionsOf, estimateOf, expectedStages, failedBytesOf } from '../jobs/estimate.ts';
import type { RunLog } from '../jobs/run-log.ts';
import { adapterName } from './adapter-name.ts';
import type { Estimate } from './protocol.ts';

export { adapterName } from './adapter-name.ts';

/** Memory that a device without a run may keep weights in, when nothing larger has run here. */
const KEPT_BYTES = 2 ** 30;

/** A run as it is foretold. */
export type Foretold = {
  readonly plan: RunPlan;
  /** Undefined where the machine's speed is not to be measured. */
  readonly stages: readonly ExpectedStage[] | undefined;
  /** Whether runs of this model on this machine were looked at. */
  readonly measured: boolean;
  readonly estimate: Estimate;
  /** Bytes of weights that may stay when it is over. */
  readonly keepBytes: number;
};

/** What is to be foretold. */
export type Asked = {
  readonly model: RunnableModel;
  readonly name: string;
  readonly settings: Settings;
  readonly size: { readonly width: number; readonly height: number };
  readonly seconds?: number;
  /** Whether the machine's speed may be measured for it, which takes a second or two the first time. */
  readonly probe: boolean;
};

/** Returns the preset that is usual on a device: what is quick on a card takes a processor a quarter of an hour. */
const usualPreset = ({ info }: Gpu): Preset => (info.software ? 'preview' : 'standard');

/** Returns complete settings: what is given, else what is usual for the model at the preset. */
export function settingsFor(model: RunnableModel, gpu: Gpu, given: Partial<Settings>): Settings {
  const preset = given.preset ?? usualPreset(gpu);
  return resolveSettings({ preset, ...model.presets[preset], ...given });
}

/** Returns the storage of a run's values on a device, as the log has it. */
export const precisionOf = ({ precision }: Settings, { caps }: Gpu): 'f32' | 'f16' =>
  precision === 'auto' ? (caps.f16 ? 'f16' : 'f32') : precision;

export type Machine = {
  /** Resolves to what a run will take. Throws what planning it throws. */
  foretell(gpu: Gpu, asked: Asked): Promise<Foretold>;
};

/** Returns what knows the machine; speeds are measured once and kept in `store`. */
export function knowMachine(store: KeyedStore<Speeds>, log: RunLog): Machine {
  const known = new Map<string, Promise<Speeds>>();
  const speedsOf = (gpu: Gpu, precision: 'f32' | 'f16'): Promise<Speeds> => {
    const key = `${adapterName(gpu)} ${precision}`;
    const measuring =
      known.get(key) ??
      store
        .get(key)
        .catch(() => undefined) // private windows keep nothing: it is measured again
        .then(async (kept) => kept ?? measure(gpu, precision, key));
    known.set(key, measuring);
    measuring.catch(() => known.delete(key));
    return measuring;
  };
  const measure = async (gpu: Gpu, precision: 'f32' | 'f16', key: string): Promise<Speeds> => {
    const { executor } = await residentEngine(gpu, {});
    const speeds = await probeSpeeds(gpu, executor, precision);
    await store.put(key, speeds).catch(() => undefined);
    return speeds;
  };
  return {
    async foretell(gpu, { model, name, settings, size, seconds, probe }) {
      const precision = precisionOf(settings, gpu);
      const asked = { settings, size, precision, ...(seconds !== undefined && { seconds }) };
      const plan = await model.plan(asked, gpu.caps);
      const adapter = adapterName(gpu);
      const kind: RunKind = { model: name, adapter, precision };
      const runs = await log.list().catch(() => []);
      const speeds = probe ? await speedsOf(gpu, precision) : undefined;
      const corrections = speeds && correctionsOf(runs, kind, speeds);
      const stages = speeds && expectedStages(plan, speeds, corrections);
      const measured = corrections !== undefined && corrections.size > 0;
      const failedBytes = failedBytesOf(runs, adapter);
      const { maxBufferBytes } = gpu.caps;
      const largest = runs
        .filter((run) => run.adapter === adapter && run.outcome === 'done')
        .reduce((most, { peakBytes }) => Math.max(most, peakBytes), KEPT_BYTES);
      return {
        ...{ plan, stages, measured },
        estimate: estimateOf(plan, stages, measured, { maxBufferBytes, failedBytes }),
        keepBytes: Math.max(0, largest - plan.peakBytes),
      };
    },
  };
}
