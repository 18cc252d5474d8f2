/**
 * The list of released models, `weights/catalog.json`, checked. What its authors could not look up is null there and
 * found out at first use: a commit (then the newest one, remembered from there on) and the names, sizes and hashes of
 * files (as the hub lists them for that commit).
 */
import { EngineError } from '../gpu/errors.ts';
import type { NewbieSolver } from './newbie/request.ts';

/** A part of a model: where it is on the hub, and how it is stored there. */
export type CatalogPart = {
  /** `owner/name` on the hub. */
  readonly repository: string;
  /** 40 hexadecimal digits; null where it is not known yet. */
  readonly commit: string | null;
  /** Where in the repository the part stands: a folder with its config.json and weights … */
  readonly folder?: string;
  /** … or a single file, by a pattern for its path. */
  readonly file?: string;
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
  readonly licence: { readonly name: string; readonly url: string };
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
    readonly solver: 'unipc' | 'flow_euler' | 'dpmpp';
  };
};

/** A released model that makes pictures from prompts, which video models may start from. */
export type CatalogPicture = {
  readonly id: string;
  readonly title: string;
  readonly family: 'newbie';
  readonly licence: CatalogModel['licence'];
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

type Json = Readonly<Record<string, unknown>>;

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

const COMMIT = /^[\da-f]{40}$/;
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/;
const ID = /^[a-z\d.-]+$/;
const STORED = ['f32', 'f16', 'bf16', 'f8_e4m3', 'json'];
const SOLVERS = ['unipc', 'flow_euler', 'dpmpp'];
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
  const memory = objectAt(`${at}memoryBytes`, model['memoryBytes']);
  for (const key of ['f16', 'int8', 'int4'])
    need(isCount(memory[key]), `${at}memoryBytes.${key}`, memory[key], 'bytes');
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
  for (const key of ['title', 'note']) {
    need(typeof model[key] === 'string' && model[key] !== '', at + key, model[key], 'a text');
  }
  const family = model['family'];
  need(family === of, `${at}family`, family, of);
  const licence = objectAt(`${at}licence`, model['licence']);
  need(typeof licence['name'] === 'string', `${at}licence.name`, licence['name'], 'a name');
  need(isHttps(licence['url']), `${at}licence.url`, licence['url'], 'an https address');
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
    const { repository, commit, folder, file, config, stored, aboutBytes } = part;
    need(matches(repository, REPOSITORY), `${place}.repository`, repository, 'owner/name');
    need(
      commit === null || matches(commit, COMMIT),
      `${place}.commit`,
      commit,
      '40 digits or null',
    );
    need(
      (typeof folder === 'string') !== (typeof file === 'string' && isPattern(file)),
      place,
      `${String(folder)}, ${String(file)}`,
      'a folder or a pattern for a file',
    );
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
  const bytes = objectAt(`${at}.peakBytes`, memory['peakBytes']);
  for (const key of ['f16', 'int8', 'int4']) {
    need(isCount(bytes[key]), `${at}.peakBytes.${key}`, bytes[key], 'bytes');
  }
}

function checkRecommended(at: string, settings: Json): void {
  checkNumbers(at, settings, ['width', 'height', 'frames', 'fps', 'steps']);
  for (const key of ['guidance2', 'boundary']) {
    const value = settings[key];
    need(value === undefined || isPositive(value), at + key, value, 'a positive number');
  }
  const { solver } = settings;
  need(SOLVERS.includes(String(solver)), `${at}solver`, solver, SOLVERS.join());
}

/** Whole numbers under `counts`, and what every model is guided and shifted by. */
function checkNumbers(at: string, settings: Json, counts: readonly string[]): void {
  for (const key of counts) need(isCount(settings[key]), at + key, settings[key], 'a whole number');
  for (const key of ['guidance', 'shift'])
    need(isPositive(settings[key]), at + key, settings[key], 'a positive number');
}

const matches = (value: unknown, pattern: RegExp): boolean =>
  typeof value === 'string' && pattern.test(value);
const isPositive = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && isPositive(value);
const isHttps = (value: unknown): boolean =>
  typeof value === 'string' && URL.canParse(value) && value.startsWith('https:');

function isPattern(text: string): boolean {
  try {
    return text.startsWith('^') && text.endsWith('$') && new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

function objectAt(place: string, value: unknown): Json {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  need(isObject, place, value, 'an object');
  return value as Json;
}

function need(holds: boolean, place: string, have: unknown, needed: string): void {
  if (holds) return;
  throw new EngineError(
    'catalog/entry',
    `weights/catalog.json, ${place} — got ${String(have)}, needs ${needed} — correct the entry`,
    { stage: place, need: needed },
  );
}
