/**
 * The released clip models of `weights/catalog.json`, under `clips`, checked: where their parts lie, under which
 * licences, and how their authors run them. Commits that are null are found out at first use.
 */
import { EngineError } from '../../gpu/errors.ts';
import type { DynamiCrafterVariant } from '../dynamicrafter/variants.ts';
import { VARIANTS } from '../dynamicrafter/variants.ts';

/** A part on the hub: a folder of a repository, or a single file by a pattern for its path. */
export type ClipPart = {
  /** `owner/name`. */
  readonly repository: string;
  readonly commit: string | null;
  readonly folder?: string;
  readonly file?: string;
  /** Bytes to fetch, rounded. */
  readonly aboutBytes: number;
};

export type ClipModel = {
  readonly id: string;
  readonly title: string;
  readonly family: 'i2vgenxl' | 'dynamicrafter';
  /** Which released DynamiCrafter it is. */
  readonly variant?: DynamiCrafterVariant;
  /** All that were stated for it: where they differ, each holds somewhere. */
  readonly licences: readonly { readonly name: string; readonly url: string }[];
  readonly note: string;
  readonly parts: Readonly<Record<string, ClipPart>>;
  /** Most bytes on the device at the recommended size, by storage of the weights; see forecast.ts. */
  readonly memoryBytes: Readonly<Record<'f16' | 'int8' | 'int4', number>>;
  readonly recommended: {
    readonly width: number;
    readonly height: number;
    readonly frames: number;
    /** Frames a second of the file. */
    readonly fps: number;
    /** Rate or stride that the network is told. */
    readonly rate: number;
    readonly steps: number;
    readonly guidance: number;
    readonly eta: number;
  };
};

const COMMIT = /^[\da-f]{40}$/;
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/;

const NEEDED: Readonly<Record<ClipModel['family'], readonly string[]>> = {
  i2vgenxl: ['unet', 'vae', 'text_encoder', 'image_encoder', 'scheduler', 'tokenizer'],
  dynamicrafter: ['checkpoint', 'tokenizer'],
};

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isPositive = (value: unknown): boolean => Number.isFinite(value) && Number(value) > 0;

/** Returns the clip models in the parsed catalog. Throws `catalog/entry`, naming the place that breaks a rule. */
export function parseClipModels(catalog: unknown): readonly ClipModel[] {
  const models = isObject(catalog) ? catalog['clips'] : undefined;
  if (!Array.isArray(models)) throw refuse('clips', models, 'a list');
  const ids = new Set<unknown>();
  for (const model of models as unknown[]) {
    if (!isObject(model)) throw refuse('clips', model, 'objects');
    checkModel(model);
    if (ids.has(model['id'])) throw refuse('clips', model['id'], 'one model of each name');
    ids.add(model['id']);
  }
  return models as ClipModel[];
}

function checkModel(model: Json): void {
  const { id, title, note, family, variant, licences, parts, recommended } = model;
  const at = `clips.${String(id)}`;
  for (const [key, text] of Object.entries({ id, title, note })) {
    if (typeof text !== 'string' || text === '') throw refuse(`${at}.${key}`, text, 'a text');
  }
  if (family !== 'i2vgenxl' && family !== 'dynamicrafter')
    throw refuse(`${at}.family`, family, Object.keys(NEEDED).join(' or '));
  const known = family === 'dynamicrafter' ? String(variant) in VARIANTS : variant === undefined;
  if (!known) throw refuse(`${at}.variant`, variant, Object.keys(VARIANTS).join());
  const stated = Array.isArray(licences) && licences.length > 0 && licences.every(isLicence);
  if (!stated) throw refuse(`${at}.licences`, licences, 'names and https addresses');
  if (!isObject(parts)) throw refuse(`${at}.parts`, parts, 'an object');
  const names = Object.keys(parts).sort().join();
  const needed = [...NEEDED[family]].sort().join();
  if (names !== needed) throw refuse(`${at}.parts`, names, needed);
  for (const [name, part] of Object.entries(parts)) checkPart(`${at}.parts.${name}`, part);
  const { memoryBytes } = model;
  for (const key of ['f16', 'int8', 'int4']) {
    const bytes = isObject(memoryBytes) ? memoryBytes[key] : undefined;
    if (!isPositive(bytes)) throw refuse(`${at}.memoryBytes.${key}`, bytes, 'bytes');
  }
  if (!isObject(recommended)) throw refuse(`${at}.recommended`, recommended, 'an object');
  for (const key of ['width', 'height', 'frames', 'fps', 'rate', 'steps', 'guidance']) {
    const value = recommended[key];
    if (!isPositive(value)) throw refuse(`${at}.recommended.${key}`, value, 'a positive number');
  }
  const { eta } = recommended;
  if (eta !== 0 && eta !== 1) throw refuse(`${at}.recommended.eta`, eta, '0 or 1');
}

const isLicence = (value: unknown): boolean =>
  isObject(value) && typeof value['name'] === 'string' && String(value['url']).startsWith('https:');

function checkPart(place: string, part: unknown): void {
  if (!isObject(part)) throw refuse(place, part, 'an object');
  const { repository, commit, folder, file, aboutBytes } = part;
  if (!REPOSITORY.test(String(repository)))
    throw refuse(`${place}.repository`, repository, 'owner/name');
  if (commit !== null && !COMMIT.test(String(commit)))
    throw refuse(`${place}.commit`, commit, '40 digits or null');
  if ((typeof folder === 'string') === (typeof file === 'string'))
    throw refuse(place, `${String(folder)}, ${String(file)}`, 'a folder or a pattern for a file');
  if (!isPositive(aboutBytes)) throw refuse(`${place}.aboutBytes`, aboutBytes, 'bytes');
}

const refuse = (place: string, have: unknown, needed: string): EngineError =>
  new EngineError(
    'catalog/entry',
    `weights/catalog.json, ${place} — got ${String(have)}, needs ${needed} — correct the entry`,
    { stage: place, need: needed },
  );
