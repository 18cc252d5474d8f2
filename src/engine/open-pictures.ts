/**
 * Models that paint, that paint and go on to a video, and that make a picture speak, from a folder or from the catalog,
 * ready to be planned and run.
 */
import { EngineError } from './gpu/errors.ts';
import { parseCatalog } from './models/catalog.ts';
import type { CatalogPicture } from './models/catalog.ts';
import { Library } from './models/library.ts';
import type { FetchOptions } from './models/library.ts';
import type { NewbieComponent, NewbieSource } from './models/newbie/request.ts';
import { openWan } from './models/wan/animate.ts';
import type { RunnableModel } from './run.ts';
import { openAvatar, runnableAvatar } from './run-avatar.ts';
import { openNewbie, runnableNewbie } from './run-newbie.ts';
import { runnablePainted } from './run-painted.ts';
import type { ModelFiles } from './weights/model-files.ts';
import type { Store } from './weights/store.ts';

const SPEAKS = 'audio_encoder/config.json';
const PAINTS = 'clip_model/config.json';

/** Folders of two models that follow each other. */
const [FIRST, THEN] = ['picture/', 'video/'];

/** Whether the files at `paths` are those of Live Avatar, of NewBie-image, or of NewBie-image in `picture/` and a Wan model in `video/`. */
export const isPictureFolder = (paths: readonly string[]): boolean =>
  [SPEAKS, PAINTS, FIRST + PAINTS].some((path) => paths.includes(path));

/** Resolves to the model in such a folder. Throws what `openAvatar`, `openNewbie` and `openWan` throw. */
export async function openPictureFolder(files: ModelFiles): Promise<RunnableModel> {
  const { paths = [] } = files;
  if (paths.includes(SPEAKS)) return runnableAvatar(await openAvatar(files));
  if (!paths.includes(FIRST + PAINTS)) return runnableNewbie(await openNewbie(files));
  return runnablePainted(await openNewbie(below(files, FIRST)), await openWan(below(files, THEN)));
}

/** The files of a folder in a folder. */
function below({ paths = [], open, packs }: ModelFiles, prefix: string): ModelFiles {
  const own = paths.filter((path) => path.startsWith(prefix));
  return {
    paths: own.map((path) => path.slice(prefix.length)),
    open: (path) => open(prefix + path),
    ...(packs && { packs: (part: string) => packs(prefix + part) }),
  };
}

/** Returns the ids of the catalog's models that paint. Throws `catalog/entry`. */
export const pictureNames = (catalog: unknown): readonly string[] =>
  parseCatalog(catalog).pictures.map(({ id }) => id);

/** Resolves to a model of the catalog; what is not stored yet is fetched. Throws `model/unknown` and what `Library.files` throws. */
export async function openReleasedPicture(
  catalog: unknown,
  id: string,
  store: Store,
  options: FetchOptions = {},
): Promise<RunnableModel> {
  const files = await new Library(catalog, store).files(id, options);
  return openPictureFolder(files);
}

/** Returns a model of the catalog to be planned and not to be run; undefined for an id of none. Throws `catalog/entry`. */
export function pictureShape(catalog: unknown, id: string): RunnableModel | undefined {
  const { pictures, configs } = parseCatalog(catalog);
  const model = pictures.find((each) => each.id === id);
  if (!model) return undefined;
  return runnableNewbie({ parts: shapesOf(model, configs), tokenizer: () => needsFiles(id) });
}

/** Shapes of the released transformer that its settings do not tell. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  't_embedder.mlp.0.weight': [1024, 256],
  'layers.0.feed_forward.w1.weight': [9216, 2304],
  'layers.0.attention.qkv.weight': [3840, 2304],
  'cap_embedder.0.weight': [2560],
  'clip_text_pooled_proj.0.weight': [1024],
};

function shapesOf(
  { id, parts }: CatalogPicture,
  configs: ReturnType<typeof parseCatalog>['configs'],
): NewbieSource {
  const weights = {
    names: () => Object.keys(SHAPES),
    has: (name: string) => name in SHAPES,
    info: (name: string) => ({ shape: SHAPES[name] ?? needsFiles(id) }),
    read: () => needsFiles(id),
    readRows: () => needsFiles(id),
  };
  return {
    config: async (name: NewbieComponent) => configs[parts[name]?.config ?? ''] ?? {},
    weights: () => Promise.resolve(weights),
  };
}

function needsFiles(id: string): never {
  throw new EngineError('engine/assert', `${id} — got its settings alone, needs files`);
}
