/** What page and worker say to each other. Pictures and videos travel as bytes, everything else as plain data. */
import type {
  AnimateReport,
  ProgressEvent,
  Settings,
  Sound,
  Span,
  SpeakOptions,
  SpokenVideo,
} from '../engine/index.ts';

/**
 * Which model to run: its name in the catalog of this build, or the address of a folder with its files, whose paths are
 * told where it has several parts.
 */
export type ModelChoice =
  { readonly name: string } | { readonly folder: string; readonly paths?: readonly string[] };

/** What a run is asked beside its video. */
export type Measures = {
  /** The time of every dispatch. */
  readonly profile?: boolean;
  /** Whether kernel variants are timed the first time; absent = where there is a graphics card. */
  readonly tune?: boolean;
};

/** What can be asked of a picture that speaks. */
export type SpeakWishes = Pick<SpeakOptions, 'prompt' | 'settings' | 'precision' | 'weights'>;

export type Request =
  | { readonly type: 'inspect'; readonly id: number }
  | {
      readonly type: 'animate';
      readonly id: number;
      readonly picture: Blob;
      readonly model: ModelChoice;
      readonly settings: Partial<Settings>;
      readonly measures: Measures;
    }
  | {
      readonly type: 'speak';
      readonly id: number;
      readonly picture: Blob;
      /** Decoded by the page: workers cannot. */
      readonly sound: Sound;
      /** Address of the model's folder. */
      readonly folder: string;
      readonly wishes: SpeakWishes;
    }
  | { readonly type: 'cancel'; readonly id: number };

/** The adapter as people should hear of it. */
export type AdapterState = {
  readonly name: string;
  readonly software: boolean;
  readonly f16: boolean;
  readonly subgroups: boolean;
};

/** A failure in plain data: `code` chooses the words, `message` is the engine's own. */
export type Failure = { readonly code: string; readonly message: string };

export type Video = {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly fps: number;
};

export type Response =
  | { readonly type: 'inspected'; readonly id: number; readonly adapter: AdapterState }
  | { readonly type: 'progress'; readonly id: number; readonly event: ProgressEvent }
  | {
      readonly type: 'finished';
      readonly id: number;
      readonly video: Video;
      readonly report: AnimateReport;
      /** Where the request asked for it. */
      readonly profile: readonly Span[] | undefined;
    }
  | { readonly type: 'spoken'; readonly id: number; readonly video: SpokenVideo }
  | { readonly type: 'failed'; readonly id: number; readonly failure: Failure };
