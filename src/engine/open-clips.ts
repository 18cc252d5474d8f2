/** Models of clips from a folder or from the catalog, ready to be planned and run. */
import { EngineError } from './gpu/errors.ts';
import { openDynamiCrafter } from './models/dynamicrafter/open.ts';
import type { DynamiCrafterVariant } from './models/dynamicrafter/variants.ts';
import { variantParams, VARIANTS } from './models/dynamicrafter/variants.ts';
import { openI2vgen } from './models/i2vgenxl/open.ts';
import { I2VGEN_SETTINGS } from './models/i2vgenxl/released.ts';
import { Library } from './models/library.ts';
import type { FetchOptions } from './models/library.ts';
import type { ClipModel } from './models/unet3d/catalog.ts';
import { parseClipModels } from './models/unet3d/catalog.ts';
import type { RunnableModel } from './run.ts';
import { runnableDynamiCrafter, runnableI2vgen } from './run-clips.ts';
import type { ModelFiles } from './weights/model-files.ts';
import type { Store } from './weights/store.ts';

const CHECKPOINT = /\.(ckpt|pt|pth)$/;
const I2VGEN_UNET = 'unet/config.json';

/** Whether the files at `paths` are those of I2VGen-XL or of a DynamiCrafter. */
export const isClipFolder = (paths: readonly string[]): boolean =>
  paths.includes(I2VGEN_UNET) || paths.some((path) => CHECKPOINT.test(path));

/**
 * Resolves to the model in a folder. `variant` says which DynamiCrafter it is, where a checkpoint alone cannot: all but the
 * one of 256 × 256 have tensors of the same names and shapes. Throws `model/variant`, `weights/folder` and what reading throws.
 */
export async function openClips(files: ModelFiles, variant?: string): Promise<RunnableModel> {
  if (files.paths?.includes(I2VGEN_UNET)) return runnableI2vgen(await openI2vgen(files));
  const known = Object.keys(VARIANTS).find(
    (name): name is DynamiCrafterVariant => name === variant,
  );
  const opened = await openDynamiCrafter(files, known ?? '256');
  const smallest = (await opened.source.weights()).has('framestride_embed.0.weight');
  if (known === undefined && !smallest) throw unknownVariant(variant);
  return runnableDynamiCrafter({ ...opened, variant: known ?? '256' });
}

const unknownVariant = (have: string | undefined): EngineError =>
  new EngineError(
    'model/variant',
    `DynamiCrafter — got ${have === undefined ? 'no variant' : `"${have}"`}, needs one of ${Object.keys(VARIANTS).join(', ')} — say which of them it is`,
    { ...(have !== undefined && { have }) },
  );

/** Resolves to a model of the catalog; what is not stored yet is fetched. Throws `model/unknown` and what `Library.files` throws. */
export async function openReleasedClips(
  catalog: unknown,
  id: string,
  store: Store,
  options: FetchOptions = {},
): Promise<RunnableModel> {
  const files = await new Library(catalog, store).files(id, options);
  return openClips(files, modelOf(catalog, id)?.variant);
}

/** Returns a model of the catalog to be planned and not to be run; undefined for an id of none. Throws `catalog/entry`. */
export function clipShape(catalog: unknown, id: string): RunnableModel | undefined {
  const model = modelOf(catalog, id);
  if (!model) return undefined;
  const weights = () =>
    Promise.reject(new EngineError('engine/assert', `${id} — got its settings alone, needs files`));
  const { variant } = model;
  if (variant) {
    const source = { params: variantParams(variant), weights };
    return runnableDynamiCrafter({ source, tokens: undefined, variant });
  }
  const source = {
    config: async (part: keyof typeof I2VGEN_SETTINGS) => I2VGEN_SETTINGS[part],
    weights,
  };
  return runnableI2vgen({ source, tokens: () => [] });
}

const modelOf = (catalog: unknown, id: string): ClipModel | undefined =>
  parseClipModels(catalog).find((model) => model.id === id);
