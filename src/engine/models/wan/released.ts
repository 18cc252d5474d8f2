/** A model of the catalog: looked up, checked by its headers, stored, opened; from then on without a network. */
import { EngineError } from '../../gpu/errors.ts';
import type { Capabilities } from '../../gpu/device.ts';
import { rememberedHub } from '../../weights/hub-record.ts';
import type { HubOptions } from '../../weights/hub.ts';
import type { ModelPlan } from '../../weights/model-download.ts';
import { downloadModel, isStored, peekFiles, storedFiles } from '../../weights/model-download.ts';
import { openModelFolder } from '../../weights/model-folder.ts';
import type { Store } from '../../weights/store.ts';
import type { Catalog, CatalogModel } from '../catalog.ts';
import { catalogModel } from '../catalog.ts';
import { planParts } from '../library.ts';
import type { FetchOptions } from '../library.ts';
import type { Config } from '../config-json.ts';
import type { WanFiles } from './animate.ts';
import { openWan, WAN_PARTS } from './animate.ts';
import { checkWan } from './check.ts';
import { parseWanConfig } from './config.ts';
import type { WanParts } from './forecast.ts';
import { framesPerLatent, pixelsPerLatent, readVaeConfig } from './vae-config.ts';

/** How a model of the catalog is opened. */
export type ReleasedOptions = FetchOptions & { readonly caps: Capabilities };

/** Returns the settings of a model's parts, for forecasts without a network. */
export function partsOf({ configs }: Catalog, { parts }: CatalogModel): WanParts {
  const settings = Object.entries(parts).flatMap(([name, { config }]) =>
    config === undefined ? [] : [[name, configs[config] ?? {}] as const],
  );
  return Object.fromEntries(settings) as unknown as WanParts;
}

/** Returns a model of the catalog as its settings alone tell it: to be planned, not to be run. Throws `model/unknown`. */
export function shapeOf(catalog: Catalog, id: string): WanFiles {
  const model = catalogModel(catalog, id);
  const configs: Partial<Record<string, Config>> = partsOf(catalog, model);
  const { fps, frames, steps, guidance, shift, solver } = model.recommended;
  const vae = readVaeConfig(configs['vae'] ?? {});
  const { patch } = parseWanConfig(configs['transformer'] ?? {});
  const { starts } = model;
  const picture = !starts.includes('picture')
    ? 'unknown'
    : starts.includes('text')
      ? 'possible'
      : 'needed';
  return {
    parts: {
      has: (name) => configs[name] !== undefined,
      config: async (name) => configs[name] ?? {},
      weights: () => Promise.reject(noWeights(id)),
    },
    tokenizer: { size: 0, read: () => Promise.reject(noWeights(id)) },
    usual: {
      ...{ fps, frames, steps, guidance, shift, solver, picture },
      sideMultiple: pixelsPerLatent(vae) * Math.max(patch.ph, patch.pw),
      frameMultiple: framesPerLatent(vae),
    },
  };
}

const noWeights = (id: string): EngineError =>
  new EngineError('engine/assert', `${id} — got its settings alone, needs its files — open it`);

/** Resolves to the files of a model on the hub, each under its path in the model's folder. Throws what `openHub` throws. */
async function planModel(
  catalog: Catalog,
  id: string,
  store: Store,
  options: HubOptions = {},
): Promise<ModelPlan> {
  const { parts } = catalogModel(catalog, id);
  return planParts(parts, catalog.configs, (repository, commit) =>
    rememberedHub(store, repository, commit, options),
  );
}

/**
 * Resolves to a model of the catalog, ready to run. What is not stored yet is fetched, after names and shapes of all tensors
 * proved right by the headers alone. Throws `model/unknown`, and what `openHub`, `checkWan` and `downloadModel` throw.
 */
export async function openReleased(
  catalog: Catalog,
  id: string,
  store: Store,
  { caps, hub, signal, onProgress, onPackError }: ReleasedOptions,
): Promise<WanFiles> {
  const abort = signal && { signal };
  const plan = await planModel(catalog, id, store, { ...hub, ...abort });
  if (!(await isStored(store, plan))) {
    await checkWan(await openModelFolder(peekFiles(plan), WAN_PARTS), caps);
    await downloadModel(store, plan, { ...abort, ...(onProgress && { onProgress }) });
  }
  const { recommended } = catalogModel(catalog, id);
  const { fps, frames, steps, guidance, shift, solver, timesteps } = recommended;
  const usual = { fps, frames, steps, guidance, shift, solver, timesteps };
  return openWan(storedFiles(store, plan, onPackError), usual);
}
