/** The models: the built-in one, released ones with what of them is stored here, and folders on the person's disk. */
import { computed, signal } from '@preact/signals';
import { modelNames } from '../catalog.ts';
import { AppError } from '../app-error.ts';
import type { Failure, ModelChoice } from '../engine/protocol.ts';
import type { LocalModel } from '../storage/local-model.ts';
import { HUBS, openModels } from '../storage/models.ts';
import type {
  DownloadCheck,
  DownloadProgress,
  KeptModel,
  StorageState,
} from '../storage/models.ts';
import { protection } from './engine.ts';
import { recall, remember } from './remembered.ts';

const library = openModels(protection);
const stops = new Map<string, AbortController>();

/** Name of the built-in model. */
export const BUILT_IN = modelNames[0] ?? '';

/** Name of the model that is used. */
export const model = signal(recall('model') ?? BUILT_IN);
/** Released models; undefined until they were listed. */
export const models = signal<readonly KeptModel[] | undefined>(undefined);
/** Space of this site. */
export const storage = signal<StorageState | undefined>(undefined);
/** Downloads that go on, in this tab or another, by model. */
export const downloads = signal<Readonly<Record<string, DownloadProgress>>>({});
/** Why the last download or deletion of a model failed, by model. */
export const troubles = signal<Readonly<Record<string, Failure>>>({});
/** Where models are fetched from. */
export const hub = signal(HUBS.find((known) => known === recall('hub')) ?? HUBS[0] ?? '');

/** A model in a folder on the person's disk, for as long as the page is there. */
export const local = signal<{ readonly local: LocalModel; readonly key: string } | undefined>(
  undefined,
);

/** The model as a run names it. */
export const modelChoice = computed<ModelChoice>(() => local.value ?? { name: model.value });

/** Whether the built-in model is used, which reads words of motion and no others. */
export const isBuiltIn = computed(() => !local.value && model.value === BUILT_IN);

/** Returns the name under which a model is remembered with its videos. */
export function modelName(choice: ModelChoice): string {
  if ('name' in choice) return choice.name;
  return 'local' in choice ? choice.local.name : choice.folder;
}

/** Uses a model in a folder. */
export function useLocal(folder: LocalModel | undefined): void {
  if (folder) local.value = { local: folder, key: crypto.randomUUID() };
}

/** The released model that is used; undefined for another one. */
export const released = computed(() => models.value?.find(({ id }) => id === model.value));

/** Chooses the model by name. */
export function chooseModel(name: string): void {
  local.value = undefined;
  model.value = name;
  remember('model', name);
}

/** Chooses where models are fetched from. */
export function chooseHub(address: string): void {
  hub.value = address;
  remember('hub', address);
}

/** Looks up what is stored. */
export async function listModels(): Promise<void> {
  models.value = await library.list();
  storage.value = await library.storage();
}

/** Asks how much is to be fetched, and whether there is space. Rejects with `AppError`. */
export const checkModel = (id: string): Promise<DownloadCheck> => library.check(id, hub.value);

/** Fetches a model, or goes on with it; what went wrong is told by `troubles`. */
export async function fetchModel(id: string): Promise<void> {
  const stop = new AbortController();
  stops.set(id, stop);
  trouble(id, undefined);
  try {
    await library.persist();
    await library.download(id, { hub: hub.value, signal: stop.signal });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== 'cancelled') trouble(id, { code: error.code, message: error.message });
  } finally {
    stops.delete(id);
    ended(id);
    await listModels();
  }
}

/** Stops a download of this tab; what has come stays. */
export const stopFetching = (id: string): void => stops.get(id)?.abort();

/** Deletes what is stored of a model. */
export async function removeModel(id: string): Promise<void> {
  trouble(id, undefined);
  try {
    await library.remove(id);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    trouble(id, { code: error.code, message: error.message });
  }
  await listModels();
}

/** Follows downloads of this and of other tabs. */
export function watchDownloads(): void {
  library.watch((event) => {
    if (event.type === 'progress') downloads.value = { ...downloads.value, [event.id]: event };
    else {
      ended(event.id);
      void listModels();
    }
  });
}

function ended(id: string): void {
  const { [id]: _, ...others } = downloads.value;
  downloads.value = others;
}

function trouble(id: string, failure: Failure | undefined): void {
  const { [id]: _, ...others } = troubles.value;
  troubles.value = failure ? { ...others, [id]: failure } : others;
}
