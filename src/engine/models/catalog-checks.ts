/** Checks that entries of all families in `weights/catalog.json` share. */
import { EngineError } from '../gpu/errors.ts';

/** Where on the hub a part of a model lies. */
export type PartPlace = {
  /** `owner/name` on the hub. */
  readonly repository: string;
  /** 40 hexadecimal digits; null where it is not known yet. */
  readonly commit: string | null;
  /** Where in the repository the part stands: a folder with its config.json and weights … */
  readonly folder?: string;
  /** … or a single file, by a pattern for its path. */
  readonly file?: string;
};

/** The name of a licence, and where it is to be read. */
export type Licence = { readonly name: string; readonly url: string };

export type Json = Readonly<Record<string, unknown>>;

const COMMIT = /^[\da-f]{40}$/;
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/;

/** Throws `catalog/entry` unless it `holds`: `place` has what it has, and needs what is `needed`. */
export function need(holds: boolean, place: string, have: unknown, needed: string): void {
  if (holds) return;
  throw new EngineError(
    'catalog/entry',
    `weights/catalog.json, ${place} — got ${String(have)}, needs ${needed} — correct the entry`,
    { stage: place, need: needed },
  );
}

/** Returns the object at `place`. Throws `catalog/entry` for anything else. */
export function objectAt(place: string, value: unknown): Json {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  need(isObject, place, value, 'an object');
  return value as Json;
}

/** Checks that `keys` hold texts, none of them empty. */
export function checkTexts(at: string, entry: Json, keys: readonly string[]): void {
  for (const key of keys) {
    need(typeof entry[key] === 'string' && entry[key] !== '', at + key, entry[key], 'a text');
  }
}

/** Checks the bytes at each storage of the weights. */
export function checkBytes(at: string, bytes: Json): void {
  for (const key of ['f16', 'int8', 'int4'])
    need(isCount(bytes[key]), `${at}.${key}`, bytes[key], 'bytes');
}

/** Checks that a licence has a name and a place to be read. */
export function checkLicence(at: string, licence: Json): void {
  const { name, url } = licence;
  need(typeof name === 'string', `${at}.name`, name, 'a name');
  need(isHttps(url), `${at}.url`, url, 'an https address');
}

/** Checks the place of a part: its repository, commit, and either folder or file. */
export function checkPlace(place: string, part: Json): void {
  const { repository, commit, folder, file } = part;
  need(matches(repository, REPOSITORY), `${place}.repository`, repository, 'owner/name');
  need(commit === null || matches(commit, COMMIT), `${place}.commit`, commit, '40 digits or null');
  need(
    (typeof folder === 'string') !== (typeof file === 'string' && isPattern(file)),
    place,
    `${String(folder)}, ${String(file)}`,
    'a folder or a pattern for a file',
  );
}

/** Whether `value` is a number above 0. */
export const isPositive = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;

/** Whether `value` is a whole number from 1. */
export const isCount = (value: unknown): boolean =>
  Number.isSafeInteger(value) && isPositive(value);

const matches = (value: unknown, pattern: RegExp): boolean =>
  typeof value === 'string' && pattern.test(value);
const isHttps = (value: unknown): boolean =>
  typeof value === 'string' && URL.canParse(value) && value.startsWith('https:');

function isPattern(text: string): boolean {
  try {
    return text.startsWith('^') && text.endsWith('$') && new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
