/**
 * The whole story on one page: a picture and a few wishes go in, frames come out and become an MP4 file. The built-in model
 * diffuses the motion and moves the picture's own pixels along it; Wan models imagine every frame.
 */
import type { Gpu } from './gpu/device.ts';
import { assert } from './gpu/errors.ts';
import { meterBuffers } from './gpu/memory.ts';
import type { Precision } from './graph/graph.ts';
import { loadMotion } from './models/motion/index.ts';
import type {
  MotionEngine,
  MotionFiles,
  MotionFrame,
  MotionModel,
  MotionReport,
} from './models/motion/index.ts';
import { animateWan } from './models/wan/animate.ts';
import type { WanAnimation, WanFiles } from './models/wan/animate.ts';
import { Progress } from './progress.ts';
import type { ProgressEvent, StagePlan } from './progress.ts';
import { residentEngine } from './resident.ts';
import type { RunMeasures } from './resident.ts';
import type { PrecisionChoice, Settings } from './settings.ts';
import { createMp4Writer } from './video/mp4-writer.ts';
import { usualPolicy } from './weights/policy.ts';
import { readWishes } from './wishes.ts';

export type { MotionFiles as MotionModelFiles } from './models/motion/index.ts';
export type { WanFiles as WanModelFiles } from './models/wan/animate.ts';

/** Opaque sRGB pixels at the size of the video, row-major from the top. */
export type Picture = {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

/** What a run needs. `picture` has the size that `outputSize` gives for the settings. */
export type AnimateOptions = RunMeasures & {
  readonly gpu: Gpu;
  readonly picture: Picture;
  readonly model: MotionFiles | WanFiles;
  readonly settings: Settings;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
};

/** What a run tells about itself at its end. */
export type AnimateReport = {
  readonly settings: Settings;
  /** Words of prompt and camera that counted. */
  readonly understood: readonly string[];
  /** Words of the prompt that the model does not know. */
  readonly ignored: readonly string[];
  readonly size: { readonly width: number; readonly height: number };
  readonly adapter: Gpu['info'];
  /** Arithmetic and storage that ran: `f32`, `f32 over f16`, or `f16`. */
  readonly tier: string;
  /** Milliseconds by stage, and of the whole. */
  readonly timings: Readonly<Record<string, number>>;
  readonly totalMs: number;
  readonly model: MotionReport | WanAnimation;
  readonly dispatches: number;
  readonly submits: number;
  readonly peakGpuBytes: number;
  /** SHA-256 of each frame's RGBA bytes, the first 16 hexadecimal digits. */
  readonly frameHashes: readonly string[];
};

/** Frames in order, then the report. */
export type Animation = AsyncGenerator<MotionFrame, AnimateReport, void>;

/**
 * Yields the frames of the picture in motion, in order; returns the report. The same settings on the same adapter
 * give the same frames, with the same record of timings where there is one. Throws the model's errors,
 * `settings/camera`, or `AbortError` once `signal` fires.
 */
export async function* animate(options: AnimateOptions): Animation {
  const { gpu, picture, model: files, settings, signal, onProgress, profiler } = options;
  const started = performance.now();
  const isWan = 'parts' in files;
  // Wan models read the prompt themselves, whole.
  const read = isWan ? { ...settings, prompt: '', camera: '' } : settings;
  const { understood, ignored, ...wishes } = readWishes(read);
  const precision = precisionFor(settings.precision, gpu);
  const progress = new Progress(stagesOf(settings), onProgress ?? (() => undefined));
  const memory = meterBuffers(gpu.device);
  memory.resetPeak();

  progress.advance('load', 0);
  const abort = signal && { signal };
  const engine = await residentEngine(gpu, options);
  const enter = (stage: StageName, done: number): void => {
    profiler?.enter(stage);
    progress.advance(stage, done);
  };
  const { frames, fps, seed, steps, weights } = settings;
  const quantise = weights && usualPolicy(weights === 'int8' ? 'i8' : 'i4');
  const longSide = Math.max(picture.width, picture.height);
  const run = isWan
    ? animateWan({ ...engine, precision, quantise }, files, picture, settings, {
        ...abort,
        onProgress: (stage, done) => enter(WAN_STAGES[stage], done),
      })
    : (await modelOf(engine, files, precision, abort)).animate(
        { ...picture, channels: 4 },
        { ...wishes, frames, fps, seed, steps, longSide },
        { ...abort, onProgress: ({ stage, done, total }) => enter(stage, done / total) },
      );
  const frameHashes: string[] = [];
  let report: MotionReport | WanAnimation | undefined;
  for await (const frame of keepingResult<MotionFrame, MotionReport | WanAnimation>(
    run,
    (result) => (report = result),
  )) {
    frameHashes.push(await hashOf(frame.data));
    yield frame;
  }
  assert(report, 'a run that ended gave no report');
  const { size, dispatches, submits } = report;
  return {
    ...{ settings, understood, ignored, size, dispatches, submits, frameHashes },
    adapter: gpu.info,
    tier: precision === 'f32' ? 'f32' : gpu.caps.f16 ? 'f16' : 'f32 over f16',
    timings: progress.timings,
    totalMs: performance.now() - started,
    model: report,
    peakGpuBytes: memory.peakBytes,
  };
}

/** What `animateToMp4` needs beside. */
export type Mp4Options = AnimateOptions & {
  /** Name and version of the program, written into the file. */
  readonly tool: string;
};

/** A finished video. `codec` is the WebCodecs string. */
export type Mp4Result = {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly codec: string;
  readonly report: AnimateReport;
};

/** Resolves to the animated picture as an MP4 file. Throws what `animate` and `createMp4Writer` throw. */
export async function animateToMp4(options: Mp4Options): Promise<Mp4Result> {
  const { picture, settings, tool } = options;
  const { width, height } = picture;
  const writer = await createMp4Writer({
    ...{ width, height },
    fps: settings.fps,
    marking: { tool, settings },
  });
  try {
    let report: AnimateReport | undefined;
    for await (const frame of keepingResult(animate(options), (result) => (report = result))) {
      await writer.addFrame(frame.data);
    }
    assert(report, 'a run that ended gave no report');
    return { file: await writer.finish(), codec: writer.codecString, report };
  } finally {
    writer.abort();
  }
}

/** Yields what `run` yields and hands over what it returns; a consumer that leaves early ends `run` too. */
async function* keepingResult<T, R>(
  run: AsyncGenerator<T, R, void>,
  keep: (result: R) => void,
): AsyncGenerator<T, void, void> {
  keep(yield* run);
}

type StageName = 'load' | 'prepare' | 'encode' | 'denoise' | 'render';

/** Where the stages of a Wan run stand among those of any run. */
const WAN_STAGES = {
  ...{ load: 'load', text: 'prepare', picture: 'encode', denoise: 'denoise', decode: 'render' },
} as const satisfies Readonly<Record<string, StageName>>;

/** The stages with their expected cost a step, on a device like any other; the run corrects it. */
const stagesOf = ({ steps, frames }: Settings): StagePlan[] => [
  { name: 'load', steps: 1, cost: 10 },
  { name: 'prepare', steps: 1, cost: 10 },
  { name: 'encode', steps: 1, cost: 1 },
  { name: 'denoise', steps, cost: 20 },
  { name: 'render', steps: frames, cost: 1 },
];

const precisionFor = (choice: PrecisionChoice, { caps }: Gpu): Precision =>
  choice === 'auto' ? (caps.f16 ? 'f16' : 'f32') : choice;

/** The model of a device's last run, its weights still there. */
type Kept = {
  readonly files: MotionFiles;
  readonly precision: Precision;
  readonly loaded: MotionModel;
};

const models = new WeakMap<Gpu, Kept>();

/** Resolves to the model of the last run if it is the same one, else to that of `files`, and frees the last. */
async function modelOf(
  engine: MotionEngine,
  files: MotionFiles,
  precision: Precision,
  abort: { signal: AbortSignal } | undefined,
): Promise<MotionModel> {
  const { gpu } = engine;
  const kept = models.get(gpu);
  if (kept?.files === files && kept.precision === precision) return kept.loaded;
  models.delete(gpu);
  kept?.loaded.destroy();
  const loaded = await loadMotion(engine, files, { precision, ...abort });
  models.set(gpu, { files, precision, loaded });
  return loaded;
}

async function hashOf(bytes: Uint8ClampedArray<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
