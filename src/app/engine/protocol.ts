/** What page and worker say to each other. Pictures and videos travel as bytes, everything else as plain data. */
import type {
  Preset,
  ProgressEvent,
  RunnableModel,
  RunReport,
  Settings,
  Sound,
  SoundCodec,
  Span,
  SpeakOptions,
  SpokenVideo,
} from '../../engine/index.ts';
import type { LocalModel } from '../storage/local-model.ts';

/**
 * Which model to run: its name in the catalog of this build, the address of a folder with its files, whose paths are told
 * where it has several parts, or a folder on the person's disk, with a key that no other has.
 */
export type ModelChoice =
  | { readonly name: string }
  | { readonly local: LocalModel; readonly key: string }
  | {
      readonly folder: string;
      readonly paths?: readonly string[];
      /** Which DynamiCrafter it is. */
      readonly variant?: string;
    };

/** What a run is asked beside its video. */
export type Measures = {
  /** The time of every dispatch. */
  readonly profile?: boolean;
  /** Whether kernel variants are timed the first time; absent = where there is a graphics card. */
  readonly tune?: boolean;
  /** Whether the machine's speed is measured the first time, for the time left; absent = yes. */
  readonly probe?: boolean;
  /** Milliseconds of work that may be lost; absent = ten seconds' worth. */
  readonly checkpointMs?: number;
};

/** A run, whole. */
export type RunWishes = {
  readonly model: ModelChoice;
  readonly picture?: Blob;
  /** Which part of a picture stays where it is cropped, 0 … 1 across and down; the middle where left out. */
  readonly focus?: { readonly x: number; readonly y: number };
  readonly lastPicture?: Blob;
  /** Decoded by the page: workers cannot. */
  readonly sound?: Sound;
  readonly settings: Partial<Settings>;
  readonly measures?: Measures;
  /** Whether the frames are kept as they are made, where there is room: other formats are written from them. */
  readonly keepFrames?: boolean;
  /** Name under which checkpoints are kept and looked for; without it none are. */
  readonly checkpoints?: string;
};

export type Request =
  | { readonly type: 'inspect'; readonly id: number }
  | { readonly type: 'run'; readonly id: number; readonly wishes: RunWishes }
  /** A picture that speaks, of a model in a folder. */
  | { readonly type: 'speak'; readonly id: number; readonly wishes: SpeechWishes }
  | { readonly type: 'estimate'; readonly id: number; readonly wishes: EstimateWishes }
  /** Ends a run without a result. */
  | { readonly type: 'cancel'; readonly id: number }
  /** Ends denoising after the step that runs and decodes what there is. */
  | { readonly type: 'finish'; readonly id: number }
  | { readonly type: 'memory'; readonly id: number }
  /** Frees the model that stays on the device. */
  | { readonly type: 'release'; readonly id: number };

/** What can be asked of a picture that speaks. */
export type SpeakWishes = Pick<SpeakOptions, 'prompt' | 'settings' | 'precision' | 'weights'>;

export type SpeechWishes = {
  readonly picture: Blob;
  readonly sound: Sound;
  /** Address of the model's folder. */
  readonly folder: string;
  readonly wishes: SpeakWishes;
};

/** What is asked after the worker has said what it runs on. */
export type LaterRequest = Exclude<Request, { readonly type: 'inspect' }>;

/** A run whose time and memory are asked for. */
export type EstimateWishes = {
  readonly model: ModelChoice;
  /** Size of the picture as it is shown, before it is cropped; 3:2 where left out. */
  readonly picture?: { readonly width: number; readonly height: number };
  /** Length of the sound. */
  readonly seconds?: number;
  readonly settings: Partial<Settings>;
};

/** What a run is thought to take. */
export type Estimate = {
  /** Of the whole run; undefined where nothing is known of this machine's speed. */
  readonly seconds: number | undefined;
  readonly peakBytes: number;
  /** Whether the time comes from runs of this model on this machine; else from its speed at small probes. */
  readonly measured: boolean;
  readonly fits: boolean;
  /** Why it does not fit. */
  readonly reason?: Failure;
  /** What the run would be; absent where it could not even be planned. */
  readonly run?: {
    readonly size: { readonly width: number; readonly height: number };
    readonly frames: number;
    readonly fps: number;
    readonly steps: number;
    readonly takes: RunnableModel['takes'];
  };
};

/** What the engine holds on the device. */
export type MemoryState = {
  /** In buffers now, and the most there was since the last run began. */
  readonly liveBytes: number;
  readonly peakBytes: number;
};

/** The adapter as people should hear of it. */
export type AdapterState = {
  readonly name: string;
  readonly software: boolean;
  readonly f16: boolean;
  readonly subgroups: boolean;
};

/** A failure in plain data: `code` chooses the words, `message` is the engine's own. */
export type Failure = {
  readonly code: string;
  readonly message: string;
  readonly stage?: string;
  readonly have?: string | number;
  readonly need?: string | number;
  /** A smaller preset to offer instead. */
  readonly smaller?: Preset;
};

export type Video = {
  readonly file: Uint8Array<ArrayBuffer>;
  /** `video/mp4`, or `image/png` for a model that makes pictures. */
  readonly type: string;
  /** WebCodecs string; `png` for a picture. */
  readonly codec: string;
  readonly soundCodec?: SoundCodec;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly fps: number;
  /** Name of the file with its frames as they were made, where they were kept. */
  readonly frameFile?: string;
};

/** A small picture, or a frame as it comes. */
export type Shown = {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

/** What happens during a run beside its progress; the app has the words. */
export type Notice =
  /** The device went away; a new one is being opened and the run goes on from `step`. */
  | { readonly kind: 'device-lost'; readonly reason: string; readonly step: number }
  | { readonly kind: 'resumed'; readonly step: number; readonly steps: number }
  /** Steps take more than three times as long as this machine needs for them: memory is being moved about. */
  | { readonly kind: 'slow'; readonly factor: number; readonly smaller?: Preset }
  | { readonly kind: 'decoded-in-f32'; readonly stage: string }
  /** A checkpoint was kept. */
  | { readonly kind: 'checkpoint'; readonly step: number; readonly steps: number }
  /** Checkpoints cannot be kept: storage is full or forbidden. The run goes on. */
  | { readonly kind: 'no-checkpoint'; readonly message: string };

/** Events of a run. */
export type RunEvent =
  | { readonly type: 'progress'; readonly progress: ProgressEvent }
  | { readonly type: 'preview'; readonly preview: Shown & { step: number; steps: number } }
  /** Each frame as it is made, small, for models that stream and for anyone who looks. */
  | { readonly type: 'frame'; readonly frame: Shown & { index: number; count: number } }
  /** At least every two seconds while a run goes on; `submits` grows while the device works. */
  | {
      readonly type: 'heartbeat';
      readonly stage: string;
      readonly elapsedMs: number;
      readonly submits: number;
    }
  | { readonly type: 'notice'; readonly notice: Notice };

export type Finished = {
  readonly video: Video;
  readonly report: RunReport;
  /** Where the request asked for it. */
  readonly profile: readonly Span[] | undefined;
};

export type Response =
  | { readonly type: 'inspected'; readonly id: number; readonly adapter: AdapterState }
  | { readonly type: 'memory'; readonly id: number; readonly memory: MemoryState }
  | { readonly type: 'estimated'; readonly id: number; readonly estimate: Estimate }
  | { readonly type: 'event'; readonly id: number; readonly event: RunEvent }
  | ({ readonly type: 'finished'; readonly id: number } & Finished)
  | { readonly type: 'spoken'; readonly id: number; readonly video: SpokenVideo }
  | { readonly type: 'released'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly failure: Failure };
