/** The engine's worker: owns the GPU device, runs one request after another, and answers in the protocol's words. */
import {
  animateToMp4,
  EngineError,
  indexedDbStore,
  openDevice,
  Profiler,
  resolveSettings,
  speakToMp4,
  urlFiles,
} from '../engine/index.ts';
import type {
  Gpu,
  MotionModelFiles,
  ProgressEvent,
  Settings,
  WanModelFiles,
} from '../engine/index.ts';
import { openModel, openReleasedModel, releasedNames } from './catalog.ts';
import { decodePicture, decodeWhole } from './files/picture.ts';
import type { AdapterState, Failure, ModelChoice, Request, Response } from './protocol.ts';

const PROGRAM = 'Zoetrope 0.1.0';
const MEGABYTE = 1e6;

const running = new Map<number, AbortController>();
let opened: Promise<Gpu> | undefined;

/** The device, opened on first use and again after a loss. */
function device(): Promise<Gpu> {
  opened ??= openDevice({ gpu: navigator.gpu }).then((gpu) => {
    void gpu.lost.then(() => (opened = undefined));
    return gpu;
  });
  // A failure is not kept: the next request tries again.
  opened.catch(() => (opened = undefined));
  return opened;
}

type ModelFiles = MotionModelFiles | WanModelFiles;

let opening: { readonly name: string; readonly files: Promise<ModelFiles> } | undefined;

/** The files of a model; those of a named one are the same each time, so that its weights can stay on the device. */
function modelFiles(
  choice: ModelChoice,
  { caps }: Gpu,
  signal: AbortSignal,
  onProgress: (event: ProgressEvent) => void,
): Promise<ModelFiles> {
  if ('folder' in choice) return openModel(choice, signal);
  if (releasedNames.includes(choice.name)) {
    return openReleasedModel(choice.name, {
      ...{ caps, signal },
      onProgress: ({ bytes, totalBytes }) =>
        onProgress({
          ...{ stage: 'fetch', done: bytes / totalBytes },
          ...{ step: bytes / MEGABYTE, steps: Math.ceil(totalBytes / MEGABYTE) },
        }),
      onPackError: (error) => console.warn('quantised weights are not kept:', error),
    });
  }
  if (opening?.name !== choice.name) {
    // Later runs read from it too: a cancel of this one must not reach them.
    const files = openModel(choice, new AbortController().signal);
    opening = { name: choice.name, files };
    // A failure is not kept: the next request tries again.
    files.catch(() => (opening = undefined));
  }
  return opening.files;
}

const answer = (response: Response, transfer: Transferable[] = []): void =>
  postMessage(response, { transfer });

const adapterState = ({ info, caps }: Gpu): AdapterState => ({
  name: [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' '),
  software: info.software,
  f16: caps.f16,
  subgroups: caps.subgroups,
});

async function animate(request: Extract<Request, { type: 'animate' }>): Promise<void> {
  const { id } = request;
  const abort = new AbortController();
  const { signal } = abort;
  running.set(id, abort);
  try {
    const gpu = await device();
    // What is quick on a graphics card takes a processor a quarter of an hour.
    const { preset = gpu.info.software ? 'preview' : 'standard' } = request.settings;
    const onProgress = (event: ProgressEvent): void => answer({ type: 'progress', id, event });
    const model = await modelFiles(request.model, gpu, signal, onProgress);
    const usual = 'usual' in model ? model.usual : undefined;
    const settings = resolveSettings({
      ...{ preset, ...usualSettings(usual, preset) },
      ...request.settings,
    });
    const picture = await decodePicture(request.picture, settings, usual?.sideMultiple);
    const { profile, tune = !gpu.info.software } = request.measures;
    const profiler = profile === true ? new Profiler(gpu) : undefined;
    const { file, codec, report } = await untilStopped(
      gpu,
      abort,
      animateToMp4({
        gpu,
        picture,
        model,
        settings,
        signal,
        tool: PROGRAM,
        onProgress,
        ...(profiler && { profiler }),
        ...(tune && timings()),
      }),
    );
    const { width, height } = picture;
    const { frames, fps } = settings;
    const video = { file, codec, width, height, frames, fps };
    answer({ type: 'finished', id, video, report, profile: profiler?.spans }, [file.buffer]);
  } finally {
    running.delete(id);
  }
}

async function speak(request: Extract<Request, { type: 'speak' }>): Promise<void> {
  const { id, sound, folder, wishes } = request;
  const abort = new AbortController();
  running.set(id, abort);
  try {
    const gpu = await device();
    const { signal } = abort;
    const picture = { ...(await decodeWhole(request.picture)), channels: 4 };
    const onProgress = (event: ProgressEvent): void => answer({ type: 'progress', id, event });
    const run = speakToMp4({
      ...{ ...wishes, gpu, picture, sound, signal, onProgress, tool: PROGRAM },
      model: urlFiles(folder, { signal }),
    });
    const video = await untilStopped(gpu, abort, run);
    answer({ type: 'spoken', id, video }, [video.file.buffer]);
  } finally {
    running.delete(id);
  }
}

/** Where timings of kernels are kept. */
const timings = () => ({
  tuning: indexedDbStore(),
  // Private windows may keep nothing: the run goes on, and the next one times the kernels again.
  onTuningError: (error: unknown) => console.warn('timings of kernels are not kept:', error),
});

/** What is usual for a Wan model, in place of the presets'; previews stay as short as any. */
function usualSettings(
  usual: WanModelFiles['usual'] | undefined,
  preset: Settings['preset'],
): Partial<Settings> {
  if (!usual) return {};
  const { fps, frames, steps } = usual;
  return preset === 'preview' ? { fps } : { fps, frames, steps };
}

/**
 * Resolves with `work`. Rejects at once when the device goes away under it (`gpu/lost`) or it is cancelled: what was
 * begun, such as a compilation, may end later by itself.
 */
async function untilStopped<T>(gpu: Gpu, abort: AbortController, work: Promise<T>): Promise<T> {
  const { signal } = abort;
  void gpu.lost.then(({ reason, message }) => {
    const what = `device — was lost (${reason}: ${message}) — try again`;
    abort.abort(new EngineError('gpu/lost', what));
  });
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work, stopped]);
}

/** Returns an error as plain data; a cancelled run has the code `cancelled`. */
function failureOf(error: unknown): Failure {
  if (error instanceof EngineError) return { code: error.code, message: error.message };
  if (error instanceof DOMException && error.name === 'AbortError') {
    return { code: 'cancelled', message: 'cancelled' };
  }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

async function handle(request: Request): Promise<void> {
  const { id } = request;
  try {
    if (request.type === 'cancel') running.get(id)?.abort();
    else if (request.type === 'animate') await animate(request);
    else if (request.type === 'speak') await speak(request);
    else answer({ type: 'inspected', id, adapter: adapterState(await device()) });
  } catch (error) {
    answer({ type: 'failed', id, failure: failureOf(error) });
  }
}

addEventListener('message', ({ data }: MessageEvent<Request>) => void handle(data));
