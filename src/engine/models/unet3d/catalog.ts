/**
 * The released clip models of `weights/catalog.json`, under `clips`, checked: where their parts lie, under which
 * licences, and how their authors run them. Commits that are null are found out at first use.
 */
import type { Json, Licence, PartPlace } from '../catalog-checks.ts';
import {
  checkBytes,
  checkLicence,
  checkPlace,
  checkTexts,
  isCount,
  isPositive,
  need,
  objectAt,
} from '../catalog-checks.ts';
import type { DynamiCrafterVariant } from '../dynamicrafter/variants.ts';
import { VARIANTS } from '../dynamicrafter/variants.ts';

/** A part on the hub: a folder of a repository, or a single file by a pattern for its path. */
export type ClipPart = PartPlace & {
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
  readonly licences: readonly Licence[];
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

const NEEDED: Readonly<Record<ClipModel['family'], readonly string[]>> = {
  i2vgenxl: ['unet', 'vae', 'text_encoder', 'image_encoder', 'scheduler', 'tokenizer'],
  dynamicrafter: ['checkpoint', 'tokenizer'],
};

/** Returns the clip models in the parsed catalog. Throws `catalog/entry`, naming the place that breaks a rule. */
export function parseClipModels(catalog: unknown): readonly ClipModel[] {
  const { clips } = objectAt('catalog', catalog);
  need(Array.isArray(clips), 'clips', clips, 'a list');
  const ids = new Set<unknown>();
  for (const each of clips as unknown[]) {
    const model = objectAt('clips', each);
    const { id } = model;
    checkModel(`clips.${String(id)}.`, model);
    need(!ids.has(id), 'clips', id, 'one model of each name');
    ids.add(id);
  }
  return clips as ClipModel[];
}

function checkModel(at: string, model: Json): void {
  const { family, variant, licences } = model;
  checkTexts(at, model, ['id', 'title', 'note']);
  const needed = isFamily(family) ? NEEDED[family] : [];
  need(isFamily(family), `${at}family`, family, Object.keys(NEEDED).join(' or '));
  const known = family === 'dynamicrafter' ? String(variant) in VARIANTS : variant === undefined;
  need(known, `${at}variant`, variant, Object.keys(VARIANTS).join());
  const stated = Array.isArray(licences) && licences.length > 0;
  need(stated, `${at}licences`, licences, 'names and addresses');
  for (const licence of licences as unknown[])
    checkLicence(`${at}licences`, objectAt(`${at}licences`, licence));
  const parts = objectAt(`${at}parts`, model['parts']);
  const names = Object.keys(parts).sort().join();
  need(names === [...needed].sort().join(), `${at}parts`, names, needed.join());
  for (const [name, value] of Object.entries(parts)) {
    const place = `${at}parts.${name}`;
    const part = objectAt(place, value);
    checkPlace(place, part);
    need(isCount(part['aboutBytes']), `${place}.aboutBytes`, part['aboutBytes'], 'bytes');
  }
  checkBytes(`${at}memoryBytes`, objectAt(`${at}memoryBytes`, model['memoryBytes']));
  const recommended = objectAt(`${at}recommended`, model['recommended']);
  for (const key of ['width', 'height', 'frames', 'fps', 'rate', 'steps', 'guidance']) {
    const value = recommended[key];
    need(isPositive(value), `${at}recommended.${key}`, value, 'a positive number');
  }
  const { eta } = recommended;
  need(eta === 0 || eta === 1, `${at}recommended.eta`, eta, '0 or 1');
}

const isFamily = (family: unknown): family is ClipModel['family'] =>
  typeof family === 'string' && Object.hasOwn(NEEDED, family);
