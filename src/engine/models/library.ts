/**
 * All released models of the catalog as one list, and what of each is kept in the browser's storage: looked up, fetched,
 * added up and deleted. Files that several models share are kept once.
 */
import { EngineError } from '../gpu/errors.ts';
import { forgetHub, knownHub, rememberedHub } from '../weights/hub-record.ts';
import type { HubOptions, HubRepository } from '../weights/hub.ts';
import { downloadModel, isStored, planPart, storedFiles } from '../weights/model-download.ts';
import type { ModelFiles } from '../weights/model-files.ts';
import type { ModelPlan, ModelProgress } from '../weights/model-download.ts';
import type { Store, StoreEntry } from '../weights/store.ts';
import type { Catalog, CatalogPart } from './catalog.ts';
import type { Licence } from './catalog-checks.ts';
import { parseCatalog } from './catalog.ts';
import { parseClipModels } from './unet3d/catalog.ts';

/** A part of a model of any family. */
export type LibraryPart = Omit<CatalogPart, 'stored'>;

/** What a panel shows of a released model. */
export type LibraryModel = {
  readonly id: string;
  readonly title: string;
  readonly family: 'wan' | 'newbie' | 'i2vgenxl' | 'dynamicrafter';
  readonly licences: readonly Licence[];
  readonly note: string;
  /** Bytes to fetch, rounded, as far as they are known. */
  readonly aboutBytes: number;
  /** Whether `aboutBytes` counts every part. */
  readonly bytesKnown: boolean;
  /** Most bytes on the device at the recommended size, by storage of the weights; absent where no forecast is kept. */
  readonly peakBytes: Readonly<Record<'f16' | 'int8' | 'int4', number>> | undefined;
  /** Size, frames, steps and the like as the authors recommend them. */
  readonly recommended: Readonly<Record<string, number | string | readonly number[]>>;
  readonly parts: Readonly<Record<string, LibraryPart>>;
};

/** A model and what of it is stored. */
export type KeptModel = LibraryModel & {
  /** Bytes of its files, and of its weights as they were quantised. */
  readonly storedBytes: number;
  readonly state: 'absent' | 'partial' | 'stored';
};

/** What a download would take. */
export type DownloadCheck = {
  readonly totalBytes: number;
  readonly missingBytes: number;
  readonly freeBytes: number;
  /** Whether the storage holds what is missing, and a tenth more. */
  readonly fits: boolean;
};

/** Returns the models in parsed JSON. Throws `catalog/entry`. */
export function libraryModels(json: unknown): readonly LibraryModel[] {
  const { models, pictures } = parseCatalog(json);
  const clips = parseClipModels(json);
  return [
    ...models.map(({ licence, memory, ...model }) => entry(model, [licence], memory.peakBytes)),
    ...pictures.map(({ licence, memoryBytes, ...model }) => entry(model, [licence], memoryBytes)),
    ...clips.map(({ licences, memoryBytes, ...model }) => entry(model, licences, memoryBytes)),
  ];
}

function entry(
  { id, title, family, note, parts, recommended }: Omit<LibraryModel, Derived>,
  licences: LibraryModel['licences'],
  peakBytes: LibraryModel['peakBytes'],
): LibraryModel {
  const bytes = Object.values(parts).map(({ aboutBytes }) => aboutBytes);
  const aboutBytes = bytes.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  const bytesKnown = !bytes.includes(null);
  return {
    ...{ id, title, family, note, parts, recommended },
    ...{ licences, peakBytes, aboutBytes, bytesKnown },
  };
}

type Derived = 'licences' | 'peakBytes' | 'aboutBytes' | 'bytesKnown';

/** How the files of a model are fetched, and who is told. */
export type FetchOptions = {
  /** The hub's address, for mirrors, and how patient to be with it. */
  readonly hub?: HubOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ModelProgress) => void;
  /** Told when quantised weights cannot be kept. */
  readonly onPackError?: (error: unknown) => void;
};

/** How one repository is found. */
type FindHub = (repository: string, commit: string | null) => Promise<HubRepository>;

/** Resolves to the files of all parts, each under its path in the model's folder. Throws what `find` and `planPart` throw. */
export async function planParts(
  parts: Readonly<Record<string, LibraryPart>>,
  configs: Catalog['configs'],
  find: FindHub,
): Promise<ModelPlan> {
  const hubs = new Map<string, Promise<HubRepository>>();
  const plans: ModelPlan[] = [];
  for (const [part, place] of Object.entries(parts)) {
    const { repository, commit, config } = place;
    const key = `${repository}@${commit}`;
    const hub = hubs.get(key) ?? find(repository, commit);
    hubs.set(key, hub);
    plans.push(planPart(part, await hub, place, configs[config ?? '']));
  }
  return {
    wanted: plans.flatMap(({ wanted }) => wanted),
    given: plans.flatMap(({ given }) => given),
  };
}

/** The models of a catalog in one store. */
export class Library {
  readonly models: readonly LibraryModel[];
  readonly #configs: Catalog['configs'];
  readonly #store: Store;

  /** Throws `catalog/entry`. */
  constructor(json: unknown, store: Store) {
    this.models = libraryModels(json);
    this.#configs = parseCatalog(json).configs;
    this.#store = store;
  }

  /** Resolves to all models with what of them is stored. Asks no network. */
  async list(): Promise<readonly KeptModel[]> {
    const entries = await this.#store.list();
    const finished = new Set(entries.filter((each) => each.finished).map(({ key }) => key));
    return Promise.all(
      this.models.map(async (model): Promise<KeptModel> => {
        const own = entries.filter(({ key }) => isOf(model.parts, key));
        const storedBytes = own.reduce((sum, each) => sum + each.storedBytes, 0);
        const plan = own.length > 0 ? await this.#knownPlan(model) : undefined;
        const whole = plan?.wanted.every(({ hub, file }) => finished.has(hub.keyOf(file.path)));
        const state = whole === true ? 'stored' : own.length > 0 ? 'partial' : 'absent';
        return { ...model, storedBytes, state };
      }),
    );
  }

  /** Resolves to what is still to fetch and whether there is space. Throws `model/unknown` and what `openHub` throws. */
  async check(id: string, options: HubOptions = {}): Promise<DownloadCheck> {
    const { wanted } = await this.plan(id, options);
    const stored = new Map((await this.#store.list()).map((each) => [each.key, each.storedBytes]));
    const files = new Map(wanted.map(({ hub, file }) => [hub.keyOf(file.path), file.size]));
    let [totalBytes, missingBytes] = [0, 0];
    for (const [key, size] of files) {
      totalBytes += size;
      missingBytes += size - (stored.get(key) ?? 0);
    }
    const freeBytes = await this.#store.environment.freeBytes();
    return { totalBytes, missingBytes, freeBytes, fits: 1.1 * missingBytes <= freeBytes };
  }

  /** Resolves to the files of a model as the hub lists them. Throws `model/unknown` and what `openHub` throws. */
  async plan(id: string, options: HubOptions = {}): Promise<ModelPlan> {
    const { parts } = this.#model(id);
    return planParts(parts, this.#configs, (repository, commit) =>
      rememberedHub(this.#store, repository, commit, options),
    );
  }

  /** Resolves when a model is stored; goes on where an earlier download ended. Throws what `downloadModel` throws. */
  async download(
    id: string,
    {
      onProgress,
      ...options
    }: HubOptions & { onProgress?: (progress: ModelProgress) => void } = {},
  ): Promise<void> {
    const { signal } = options;
    await downloadModel(this.#store, await this.plan(id, options), {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
  }

  /** Resolves to the files of a model; what is not stored yet is fetched. Throws what `download` throws. */
  async files(
    id: string,
    { hub, signal, onProgress, onPackError }: FetchOptions = {},
  ): Promise<ModelFiles> {
    const abort = signal && { signal };
    const plan = await this.plan(id, { ...hub, ...abort });
    if (!(await isStored(this.#store, plan)))
      await downloadModel(this.#store, plan, { ...abort, ...(onProgress && { onProgress }) });
    return storedFiles(this.#store, plan, onPackError);
  }

  /** Deletes what is stored of a model, but for files of another model that is there. Throws `model/unknown`. */
  async remove(id: string): Promise<void> {
    const { parts } = this.#model(id);
    const entries = await this.#store.list();
    const others = this.models.filter((model) => model.id !== id && this.#isThere(model, entries));
    for (const { key } of entries) {
      if (!isOf(parts, key) || others.some((model) => isOf(model.parts, key))) continue;
      await this.#store.alone(key, undefined, () => this.#store.remove(key));
    }
    const left = await this.#store.list();
    for (const { repository, commit } of Object.values(parts)) {
      if (!left.some(({ key }) => key.startsWith(`${repository}@`)))
        await forgetHub(this.#store, repository, commit);
    }
  }

  #model(id: string): LibraryModel {
    const model = this.models.find((each) => each.id === id);
    if (model) return model;
    const known = this.models.map((each) => each.id).join(', ');
    throw new EngineError(
      'model/unknown',
      `model — got "${id}", knows ${known} — choose one of these`,
      { have: id },
    );
  }

  /** Whether a file is stored that is this model's alone. */
  #isThere(model: LibraryModel, entries: readonly StoreEntry[]): boolean {
    const others = this.models.filter((each) => each !== model);
    return entries.some(
      ({ key }) => isOf(model.parts, key) && !others.some(({ parts }) => isOf(parts, key)),
    );
  }

  async #knownPlan({ parts }: LibraryModel): Promise<ModelPlan | undefined> {
    const hubs = new Map<string, HubRepository>();
    for (const { repository, commit } of Object.values(parts)) {
      const hub = await knownHub(this.#store, repository, commit);
      if (!hub) return undefined;
      hubs.set(repository, hub);
    }
    return planParts(parts, this.#configs, async (repository) => {
      const hub = hubs.get(repository);
      if (hub) return hub;
      throw new EngineError('engine/assert', `${repository} — not looked up`);
    });
  }
}

/** Whether the stored file under `key` is one of a model's, or was made from one. */
function isOf(parts: LibraryModel['parts'], key: string): boolean {
  const [, repository, path = ''] = /^(.+?)@[\da-f]{40}\/([^ #]+)/.exec(key) ?? [];
  return Object.values(parts).some(
    (part) =>
      part.repository === repository &&
      (part.file === undefined
        ? path.startsWith(`${part.folder}/`)
        : new RegExp(part.file).test(path)),
  );
}
