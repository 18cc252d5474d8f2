/** What an export writes and in which order. */
import type { VideoMarking } from '../../engine/index.ts';
import type { FrameSource } from './frame-source.ts';

/** Frames, their order, what the file says of itself, and who hears how far it is, 0 … 1. */
export type ExportPlan = {
  readonly source: FrameSource;
  readonly order: readonly number[];
  readonly marking: VideoMarking;
  /** Mono samples at 48 kHz, for formats that have sound. */
  readonly sound?: Float32Array | undefined;
  readonly onProgress: (done: number) => void;
};

/** Content of a file and the codec in it. */
export type Made = { readonly content: Blob; readonly codec?: string };
