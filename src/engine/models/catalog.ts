/**
 * The list of released models, `weights/catalog.json`, checked. What its authors could not look up is null there and
 * found out at first use: a commit (then the newest one, remembered from there on) and the names, sizes and hashes of
 * files (as the hub lists them for that commit).
 */
import { EngineError } from '../gpu/errors.ts';
import type { Json, Licence, PartPlace } from './catalog-checks.ts';
import {
  checkBytes,
  checkLicence,
  checkPlace,
  checkTexts,
  isCount,
  isPositive,
  need,
  objectAt,
} from './catalog-checks.ts';
import type { NewbieSolver } from './newbie/request.ts';

/** A part of a model: where it is on the hub, and how it is stored there. */
export type CatalogPart = PartPlace & {
  /** Name of the part's settings in `configs`; none for a tokenizer. */
  readonly config?: string;
  /** How the values are stored in the files; null where that is not known yet. */
  readonly stored: 'f32' | 'f16' | 'bf16' | 'f8_e4m3' | 'json' | null;
  /** Bytes to fetch, as far as the hub's pages told, rounded; null where that is not known. */
  readonly aboutBytes: number | null;
};

/** A released model with the settings that its authors recommend. */
export type CatalogModel = {
  readonly id: string;
  readonly title: string;
  readonly family: 'wan';
  /** What a video may start from. */
  readonly starts: readonly ('text' | 'picture')[];
  readonly licence: Licence;
  readonly note: string;
  readonly parts: Readonly<Record<string, CatalogPart>>;
  /** The most graphics memory that a run of this size takes, by the storage of its weights; the browser's own comes on top. */
  readonly memory: {
    readonly width: number;
    readonly height: number;
    readonly frames: number;
    readonly peakBytes: Readonly<Record<'f16' | 'int8' | 'int4', number>>;
  };
  readonly recommended: {
    readonly width: number;
    readonly height: number;
    readonly frames: number;
    readonly fps: number;
    readonly steps: number;
    readonly guidance: number;
    readonly guidance2?: number;
    readonly shift: number;
    readonly boundary?: number;
    readonly solver: 'unipc' | 'flow_euler' | 'dpmpp' | 'renoise';
    /** What a distilled network is told, one a step; evenly spaced where left out. */
    readonly timesteps?: readonly number[];
  };
};

/** A released model that makes pictures from prompts, which video models may start from. */
export type CatalogPicture = {
  readonly id: string;
  readonly title: string;
  readonly family: 'newbie';
  readonly licence: Licence;
  readonly note: string;
  readonly parts: CatalogModel['parts'];
  readonly recommended: {
    readonly width: number;
    readonly height: number;
    readonly steps: number;
    readonly guidance: number;
    readonly shift: number;
    readonly solver: NewbieSolver;
  };
  /** Bytes on the device at the fullest moment, at the recommended size, by storage of the blocks. */
  readonly memoryBytes: Readonly<Record<'f16' | 'int8' | 'int4', number>>;
};

/** All models, and the settings that their parts share. */
export type Catalog = {
  readonly models: readonly CatalogModel[];
  readonly pictures: readonly CatalogPicture[];
  /** Settings of parts, as in their config.json, by name. */
  readonly configs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};

/** The parts that each family must have, and those that it may have. */
const PARTS = {
  wan: {
    needed: ['transformer', 'vae', 'text_encoder', 'tokenizer'],
    possible: ['transformer_2', 'image_encoder'],
  },
  newbie: {
    needed: ['transformer', 'vae', 'text_encoder', 'clip_model', 'tokenizer', 'clip_tokenizer'],
    possible: [],
  },
} as const;

const ID = /^[a-z\d.-]+$/;
const STORED = ['f32', 'f16', 'bf16', 'f8_e4m3', 'json'];
const SOLVERS = ['unipc', 'flow_euler', 'dpmpp', 'renoise'];
const PICTURE_SOLVERS: readonly NewbieSolver[] = [
  'flow_euler',
  'euler',
  'midpoint',
  'rk4',
  'dpmpp',
];

/** Returns the catalog in parsed JSON. Throws `catalog/entry`, naming the place that breaks a rule. */
export function parseCatalog(json: unknown): Catalog {
  const catalog = objectAt('catalog', json);
  need(catalog['version'] === 1, 'version', catalog['version'], '1');
  const configs = objectAt('configs', catalog['configs']);
  for (const [name, config] of Object.entries(configs)) objectAt(`configs.${name}`, config);
  const models = catalog['models'];
  need(Array.isArray(models) && models.length > 0, 'models', models, 'a list');
  const { pictures } = catalog;
  need(Array.isArray(pictures), 'pictures', pictures, 'a list');
  for (const model of models as unknown[]) checkModel(objectAt('model', model), configs);
  for (const model of pictures as unknown[]) checkPicture(objectAt('picture', model), configs);
  const ids = new Set<unknown>();
  for (const { id } of [...(models as Json[]), ...(pictures as Json[])]) {
    need(!ids.has(id), 'id', id, 'one model of each name');
    ids.add(id);
  }
  return json as Catalog;
}

/** Returns the model under `id`. Throws `model/unknown`. */
export function catalogModel({ models }: Catalog, id: string): CatalogModel {
  const model = models.find((each) => each.id === id);
  if (model) return model;
  throw new EngineError(
    'model/unknown',
    `model — got "${id}", knows ${models.map((each) => each.id).join(', ')} — choose one of these`,
    { have: id },
  );
}

function checkPicture(model: Json, configs: Json): void {
  const at = checkAbout(model, 'newbie', configs);
  const settings = objectAt(`${at}recommended`, model['recommended']);
  checkNumbers(`${at}recommended.`, settings, ['width', 'height', 'steps']);
  const { solver } = settings;
  const known = PICTURE_SOLVERS.some((name) => name === solver);
  need(known, `${at}recommended.solver`, solver, PICTURE_SOLVERS.join());
  checkBytes(`${at}memoryBytes`, objectAt(`${at}memoryBytes`, model['memoryBytes']));
}

function checkModel(model: Json, configs: Json): void {
  const at = checkAbout(model, 'wan', configs);
  const starts = model['starts'];
  const known = (start: unknown): boolean => start === 'text' || start === 'picture';
  need(
    Array.isArray(starts) && starts.length > 0 && starts.every(known),
    `${at}starts`,
    starts,
    'text, picture',
  );
  checkMemory(`${at}memory`, objectAt(`${at}memory`, model['memory']));
  checkRecommended(`${at}recommended.`, objectAt(`${at}recommended`, model['recommended']));
}

/** Checks what models of all families state, and returns where they stand. */
function checkAbout(model: Json, of: keyof typeof PARTS, configs: Json): string {
  const at = `${String(model['id'])}.`;
  need(typeof model['id'] === 'string' && ID.test(model['id']), 'id', model['id'], 'a short name');
  checkTexts(at, model, ['title', 'note']);
  const family = model['family'];
  need(family === of, `${at}family`, family, of);
  checkLicence(`${at}licence`, objectAt(`${at}licence`, model['licence']));
  checkParts(at, objectAt(`${at}parts`, model['parts']), configs, of);
  return at;
}

function checkParts(at: string, parts: Json, configs: Json, of: keyof typeof PARTS): void {
  const { needed, possible } = PARTS[of];
  for (const name of needed) need(name in parts, `${at}parts`, Object.keys(parts).join(), name);
  for (const [name, value] of Object.entries(parts)) {
    const place = `${at}parts.${name}`;
    need(
      [...needed, ...possible].some((each) => each === name),
      place,
      name,
      `a part of ${of}`,
    );
    const part = objectAt(place, value);
    checkPlace(place, part);
    const { config, stored, aboutBytes } = part;
    const isJson = stored === 'json';
    need(
      stored === null || STORED.includes(String(stored)),
      `${place}.stored`,
      stored,
      STORED.join(),
    );
    need(isJson || (typeof config === 'string' && config in configs), place, config, 'settings');
    need(aboutBytes === null || isCount(aboutBytes), `${place}.aboutBytes`, aboutBytes, 'bytes');
  }
}

function checkMemory(at: string, memory: Json): void {
  for (const key of ['width', 'height', 'frames']) {
    need(isCount(memory[key]), `${at}.${key}`, memory[key], 'a whole number');
  }
  checkBytes(`${at}.peakBytes`, objectAt(`${at}.peakBytes`, memory['peakBytes']));
}

function checkRecommended(at: string, settings: Json): void {
  checkNumbers(at, settings, ['width', 'height', 'frames', 'fps', 'steps']);
  for (const key of ['guidance2', 'boundary']) {
    const value = settings[key];
    need(value === undefined || isPositive(value), at + key, value, 'a positive number');
  }
  const { solver, steps, timesteps } = settings;
  need(SOLVERS.includes(String(solver)), `${at}solver`, solver, SOLVERS.join());
  const isList = Array.isArray(timesteps) && timesteps.length === steps && timesteps.every(isCount);
  need(timesteps === undefined || isList, `${at}timesteps`, timesteps, 'one for each step');
}

/** Whole numbers under `counts`, and what every model is guided and shifted by. */
function checkNumbers(at: string, settings: Json, counts: readonly string[]): void {
  for (const key of counts) need(isCount(settings[key]), at + key, settings[key], 'a whole number');
  for (const key of ['guidance', 'shift'])
    need(isPositive(settings[key]), at + key, settings[key], 'a positive number');
}
