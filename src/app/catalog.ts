/** The models and pictures that ship with this build, with the addresses where the build put their files. */
import {
  browserEnvironment,
  clipShape,
  EngineError,
  openReleased,
  openReleasedClips,
  openReleasedPicture,
  openWan,
  parseCatalog,
  parseClipModels,
  pictureNames,
  pictureShape,
  shapeOf,
  Store,
  urlFiles,
  urlSource,
} from '../engine/index.ts';
import type {
  FetchOptions,
  MotionModelFiles,
  ReleasedOptions,
  RunnableModel,
  WanModelFiles,
} from '../engine/index.ts';
import releasedModels from '../../weights/catalog.json' with { type: 'json' };
import type { ModelChoice } from './engine/protocol.ts';

const modelFiles = import.meta.glob<string>('../../weights/*/{config.json,model.safetensors}', {
  query: '?url',
  import: 'default',
  eager: true,
});

const pictureFiles = import.meta.glob<string>('../../examples/*.jpg', {
  query: '?url',
  import: 'default',
  eager: true,
});

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';

/** Names of the models in this build. */
export const modelNames: readonly string[] = Object.keys(modelFiles)
  .filter((path) => path.endsWith(`/${WEIGHTS}`))
  .map((path) => path.split('/').at(-2) ?? '');

/** The bundled photographs; the first is what runs when no picture is given. */
export const examplePictures: readonly { readonly name: string; readonly url: string }[] =
  Object.entries(pictureFiles).map(([path, url]) => ({
    name: path.replace(/^.*\/(.*)\.jpg$/, '$1'),
    url,
  }));

/** Models that are fetched from a hub when they are first asked for. */
const released = parseCatalog(releasedModels);

/** Names of the released models that can be asked for. */
export const releasedNames: readonly string[] = released.models.map(({ id }) => id);

/** Opens a released model; what is not stored yet is fetched. Throws `weights/storage`, and what `openReleased` throws. */
export async function openReleasedModel(
  id: string,
  options: ReleasedOptions,
): Promise<WanModelFiles> {
  return openReleased(released, id, new Store(await browserEnvironment()), options);
}

/** Names of the released models of clips. */
export const clipNames: readonly string[] = parseClipModels(releasedModels).map(({ id }) => id);

/** Opens one of them; what is not stored yet is fetched. Throws `weights/storage`, and what `openReleasedClips` throws. */
export const openClipModel = async (id: string, options: FetchOptions): Promise<RunnableModel> =>
  openReleasedClips(releasedModels, id, new Store(await browserEnvironment()), options);

/** Returns one of them to be planned alone; undefined for a name of none. */
export const plannedClipModel = (id: string): RunnableModel | undefined =>
  clipShape(releasedModels, id);

/** Names of the released models that paint. */
export const paintingNames: readonly string[] = pictureNames(releasedModels);

/** Opens one of them; what is not stored yet is fetched. Throws `weights/storage`, and what `openReleasedPicture` throws. */
export const openPaintingModel = async (
  id: string,
  options: FetchOptions,
): Promise<RunnableModel> =>
  openReleasedPicture(releasedModels, id, new Store(await browserEnvironment()), options);

/** Returns one of them to be planned alone; undefined for a name of none. */
export const plannedPaintingModel = (id: string): RunnableModel | undefined =>
  pictureShape(releasedModels, id);

/** Returns a released model without its weights, for plans; undefined for a name of none. */
export const releasedShape = (id: string): WanModelFiles | undefined =>
  releasedNames.includes(id) ? shapeOf(released, id) : undefined;

/** Opens the files of a model. Throws `model/unknown`, `model/config`, and what reading weights throws. */
export async function openModel(
  choice: Exclude<ModelChoice, { readonly local: unknown }>,
  signal: AbortSignal,
): Promise<MotionModelFiles | WanModelFiles> {
  if ('folder' in choice && choice.paths?.some((path) => path.endsWith(`/${CONFIG}`))) {
    return openWan(urlFiles(choice.folder, { signal }, choice.paths));
  }
  const [config, weights] =
    'folder' in choice
      ? [`${choice.folder}/${CONFIG}`, `${choice.folder}/${WEIGHTS}`]
      : addressesOf(choice.name);
  const response = await fetch(config, { signal });
  if (!response.ok) throw configError(config, `status ${response.status}`);
  const parsed: unknown = await response.json().catch((cause: unknown) => {
    throw configError(config, `no JSON: ${String(cause)}`);
  });
  return { config: parsed, weights: await urlSource(weights, { signal }) };
}

function addressesOf(name: string): [config: string, weights: string] {
  const config = modelFiles[`../../weights/${name}/${CONFIG}`];
  const weights = modelFiles[`../../weights/${name}/${WEIGHTS}`];
  if (config !== undefined && weights !== undefined) return [config, weights];
  throw new EngineError(
    'model/unknown',
    `model — got "${name}", knows ${[...modelNames, ...releasedNames].join(', ')} — choose one of these`,
    { have: name },
  );
}

const configError = (url: string, detail: string): EngineError =>
  new EngineError('model/config', `${url} — got ${detail}, needs the model's configuration`);
