/**
 * One shape for a run of any model: what a model says of itself before it runs, what it is given, and the frames and the
 * report that come out. `run-motion.ts`, `run-wan.ts` and their like put the models into this shape; `pipeline.ts` runs it.
 */
import type { Sound } from './audio/sound.ts';
import type { Capabilities, Gpu } from './gpu/device.ts';
import { EngineError } from './gpu/errors.ts';
import type { Precision, WeightPolicy } from './graph/graph.ts';
import type { Work } from './graph/work.ts';
import type { Size } from './image/fit.ts';
import type { Engine } from './nn/run-once.ts';
import type { ProgressEvent } from './progress.ts';
import type { RunMeasures } from './resident.ts';
import type { SamplingHooks } from './sampling/checkpoint.ts';
import type { Preset, Settings } from './settings.ts';

export type { Checkpoint, CheckpointSink, SamplingHooks } from './sampling/checkpoint.ts';
export type { Work } from './graph/work.ts';

/** Opaque sRGB pixels, row-major from the top. */
export type Picture = {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

/** Returns the picture that a model cannot do without. Throws `image/missing` where there is none. */
export function needPicture(picture: Picture | undefined): Picture {
  if (picture) return picture;
  throw new EngineError('image/missing', 'picture — got none, needs one — choose a picture');
}

/** Shape of a video that no picture gives one. */
export const USUAL_SHAPE: Size = { width: 1536, height: 1024 };

/** What a run starts from. */
export type RunRequest = {
  readonly settings: Settings;
  /** At the size that `RunnableModel.sizeFor` gives. */
  readonly picture?: Picture | undefined;
  /** The picture to arrive at, at the same size. */
  readonly lastPicture?: Picture | undefined;
  /** The first picture before it was cropped, for models that look at all of it. */
  readonly wholePicture?: Picture | undefined;
  readonly sound?: Sound | undefined;
};

/** A frame, in order. */
export type RunFrame = Picture & {
  readonly index: number;
  /** How many frames there will be, as far as that is known. */
  readonly count: number;
  /** Samples at `SOUND_TRACK_RATE` that belong to this frame, for models that speak. */
  readonly sound?: Float32Array<ArrayBuffer>;
};

/** A small picture of what the video is becoming, after a step. */
export type Preview = Picture & { readonly step: number; readonly steps: number };

/** What a model tells of its run at the end; each model adds its own facts. */
export type ModelReport = {
  readonly family: string;
  readonly size: Size;
  readonly dispatches: number;
  readonly submits: number;
  /** Steps that were made, fewer than asked where the run was finished early. */
  readonly stepsDone?: number;
  /** Words of prompt and camera that counted, and those that the model does not know, where it reads single words. */
  readonly understood?: readonly string[];
  readonly ignored?: readonly string[];
};

/** A stage of a run before it starts: the pieces that are reported one by one, and the work in all of them. */
export type StagePlan = {
  readonly name: string;
  readonly steps: number;
  readonly work: Work;
};

/** What a run will take. */
export type RunPlan = {
  readonly stages: readonly StagePlan[];
  /** The most bytes that live at once. */
  readonly peakBytes: number;
  readonly largestBuffer: number;
};

/** What a model is handed while it runs. */
export type ModelContext = SamplingHooks & {
  readonly signal?: AbortSignal;
  /** Takes the share (0 … 1) of a stage of the plan that is done; 0 first, then at least every two seconds. */
  readonly progress: (stage: string, done: number) => void;
  /** Called after steps, where anyone looks; must cost next to nothing. */
  readonly onPreview?: (preview: Preview) => void;
  /** Told of what was done differently to save the run, such as a decode repeated in f32. */
  readonly onNotice?: (notice: RunNotice) => void;
};

/** Something that a run did to go on, by name; the app has the words. */
export type RunNotice = { readonly kind: 'decoded-in-f32'; readonly stage: string };

/** Whether a model takes an input. */
export type Takes = 'needed' | 'possible' | 'no';

/** A model that is opened: what it takes, how much work it is, and how it runs. */
export type RunnableModel = {
  /** `motion`, `wan`, `i2vgenxl`, `dynamicrafter`, `live-avatar`, `newbie`. */
  readonly family: string;
  readonly makes: 'video' | 'picture';
  readonly takes: Readonly<Record<'picture' | 'lastPicture' | 'sound' | 'prompt', Takes>>;
  /** What is usual for the model at each preset, in place of the built-in model's; `preview` is its quickest. */
  readonly presets: Readonly<Record<Preset, Partial<Settings>>>;
  /** Storage of weight matrices where the settings ask for small integers. */
  readonly quantise?: (settings: Settings) => WeightPolicy | undefined;
  /** Returns the size of the video for a picture that is shown at `picture`. Throws `settings/size`. */
  sizeFor(picture: Size, settings: Settings): Size;
  /** Resolves to what a run takes, without running anything. Throws what a run would throw for the same settings. */
  plan(asked: PlanRequest, caps: Capabilities): Promise<RunPlan>;
  /** Yields the frames in order; returns the report. Frees all that does not stay for the next run. */
  run(
    engine: Engine,
    request: RunRequest,
    context: ModelContext,
  ): AsyncGenerator<RunFrame, ModelReport, void>;
  /** Frees what stays on the device between runs. */
  release?(gpu: Gpu): void;
};

/** What decides how much a run takes. */
export type PlanRequest = {
  readonly settings: Settings;
  readonly size: Size;
  readonly precision: Precision;
  /** Length of the sound, for models that speak. */
  readonly seconds?: number;
};

/** What a run is given beside its request. */
export type RunContext = RunMeasures &
  Omit<ModelContext, 'progress'> & {
    readonly gpu: Gpu;
    /** Stages with their expected milliseconds; shares that are usual for any model where left out. */
    readonly expected?: readonly ExpectedStage[];
    readonly onProgress?: (event: ProgressEvent) => void;
  };

/** A stage with the time it is expected to take. */
export type ExpectedStage = {
  readonly name: string;
  readonly steps: number;
  /** Of all its steps. */
  readonly ms: number;
};

/** What a run tells about itself at its end. */
export type RunReport = {
  readonly settings: Settings;
  readonly size: Size;
  readonly adapter: Gpu['info'];
  /** Arithmetic and storage that ran: `f32`, `f32 over f16`, or `f16`. */
  readonly tier: string;
  /** Milliseconds by stage, and of the whole. */
  readonly timings: Readonly<Record<string, number>>;
  readonly totalMs: number;
  readonly model: ModelReport;
  /** See `ModelReport`; empty for models that read the prompt whole. */
  readonly understood: readonly string[];
  readonly ignored: readonly string[];
  readonly dispatches: number;
  readonly submits: number;
  readonly peakGpuBytes: number;
  /** SHA-256 of each frame's RGBA bytes, the first 16 hexadecimal digits. */
  readonly frameHashes: readonly string[];
};

/** Frames in order, then the report. */
export type Run = AsyncGenerator<RunFrame, RunReport, void>;
