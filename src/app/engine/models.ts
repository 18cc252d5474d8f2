/** The model that a run names, opened: the same one each time, so that its weights can stay on the device. */
import {
  isClipFolder,
  isPictureFolder,
  openClips,
  openPictureFolder,
  openWan,
  runnableMotion,
  runnableWan,
  urlFiles,
} from '../../engine/index.ts';
import type { Gpu, ModelFiles, ProgressEvent, RunnableModel } from '../../engine/index.ts';
import {
  clipNames,
  openClipModel,
  openModel,
  openPaintingModel,
  openReleasedModel,
  paintingNames,
  plannedClipModel,
  plannedPaintingModel,
  releasedNames,
  releasedShape,
} from '../catalog.ts';
import { localFiles } from '../storage/local-model.ts';
import type { ModelChoice } from './protocol.ts';

const MEGABYTE = 1e6;

export type OpenOptions = {
  readonly gpu: Gpu;
  readonly signal: AbortSignal;
  /** Told how far fetching is, for models that are not stored yet. */
  readonly onProgress: (event: ProgressEvent) => void;
};

export type Models = {
  /** Resolves to the model; the one before is freed. Throws what opening it throws. */
  open(choice: ModelChoice, options: OpenOptions): Promise<RunnableModel>;
  /** Frees what the model keeps on a device, and forgets it. */
  release(gpu: Gpu | undefined): void;
};

/** Returns the name of a model as logs have it. */
export function nameOf(choice: ModelChoice): string {
  if ('name' in choice) return choice.name;
  return 'local' in choice ? choice.local.name : choice.folder;
}

/** Resolves to a model to be planned and not to be run: what is not stored is not fetched. Throws what opening it throws. */
export function openForPlan(
  choice: ModelChoice,
  gpu: Gpu,
  signal: AbortSignal,
): Promise<RunnableModel> {
  const planned = 'name' in choice ? releasedShape(choice.name) : undefined;
  if (planned) return Promise.resolve(runnableWan(planned));
  const clips = 'name' in choice ? plannedClipModel(choice.name) : undefined;
  if (clips) return Promise.resolve(clips);
  const painting = 'name' in choice ? plannedPaintingModel(choice.name) : undefined;
  if (painting) return Promise.resolve(painting);
  return openRunnable(choice, { gpu, signal, onProgress: () => undefined });
}

/** Returns an empty holder of one model. */
export function holdModel(): Models {
  let held: { readonly key: string; readonly model: Promise<RunnableModel> } | undefined;
  const release = (gpu: Gpu | undefined): void => {
    if (gpu) void held?.model.then((model) => model.release?.(gpu)).catch(() => undefined);
    held = undefined;
  };
  return {
    release,
    open(choice, options) {
      const key = keyOf(choice);
      if (held?.key === key) return held.model;
      release(options.gpu);
      const model = openRunnable(choice, options);
      held = { key, model };
      // A failure is not kept: the next run tries again.
      model.catch(() => {
        if (held?.model === model) held = undefined;
      });
      return model;
    },
  };
}

/** Returns what tells a choice from all others. */
export const keyOf = (choice: ModelChoice): string =>
  'local' in choice ? choice.key : JSON.stringify(choice);

async function openRunnable(
  choice: ModelChoice,
  { gpu, signal, onProgress }: OpenOptions,
): Promise<RunnableModel> {
  const fetching = {
    signal,
    onProgress: ({ bytes, totalBytes }: { bytes: number; totalBytes: number }) =>
      onProgress({
        ...{ stage: 'fetch', done: bytes / totalBytes },
        ...{ step: bytes / MEGABYTE, steps: Math.ceil(totalBytes / MEGABYTE) },
      }),
    onPackError: (error: unknown) => console.warn('quantised weights are not kept:', error),
  };
  if ('name' in choice && clipNames.includes(choice.name))
    return openClipModel(choice.name, fetching);
  if ('name' in choice && releasedNames.includes(choice.name))
    return runnableWan(await openReleasedModel(choice.name, { caps: gpu.caps, ...fetching }));
  if ('name' in choice && paintingNames.includes(choice.name))
    return openPaintingModel(choice.name, fetching);
  if ('local' in choice) return openFolder(await localFiles(choice.local));
  if ('folder' in choice && choice.paths) {
    const { signal: ever } = new AbortController();
    const files = urlFiles(choice.folder, { signal: ever }, choice.paths);
    if (isClipFolder(choice.paths)) return openClips(files, choice.variant);
    if (isPictureFolder(choice.paths)) return openPictureFolder(files);
  }
  // Later runs read from it too: a cancel of this one must not reach them.
  const files = await openModel(choice, new AbortController().signal);
  return 'parts' in files ? runnableWan(files) : runnableMotion(files);
}

/** A model of a folder, by what lies in it. Throws `weights/folder` and what opening its kind throws. */
async function openFolder(files: ModelFiles): Promise<RunnableModel> {
  const { paths = [] } = files;
  if (isClipFolder(paths)) return openClips(files);
  if (isPictureFolder(paths)) return openPictureFolder(files);
  return runnableWan(await openWan(files));
}
