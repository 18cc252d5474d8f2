/** What a finished video can be saved as. */

/** MP4 plays everywhere; WebM and GIF for the web; PNG is every frame without loss, in a zip. */
export type ExportFormat = 'mp4' | 'webm' | 'gif' | 'png';

/** All formats, the one that plays in most places first. */
export const EXPORT_FORMATS: readonly ExportFormat[] = ['mp4', 'webm', 'gif', 'png'];

/** What is asked of a file beside its format. */
export type ExportOptions = {
  /** Forth and back, without doubled end frames: 2N − 2 of them. */
  readonly pingPong?: boolean;
  /** Whether prompt, seed and all settings are written into the file; absent = yes. The mark of generated content always is. */
  readonly includeSettings?: boolean;
  /** Words to draw into the corner of every frame, e.g. "AI-generated"; absent = none. */
  readonly visibleMark?: string;
};

/** A file to save. */
export type ExportedFile = {
  readonly blob: Blob;
  /** A name to save it under, with its ending. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly fps: number;
  /** WebCodecs string of a video. */
  readonly codec?: string;
};

/** Endings and types of the formats. */
export const FILE_TYPES: Readonly<
  Record<ExportFormat, { readonly ending: string; readonly type: string }>
> = {
  mp4: { ending: 'mp4', type: 'video/mp4' },
  webm: { ending: 'webm', type: 'video/webm' },
  gif: { ending: 'gif', type: 'image/gif' },
  png: { ending: 'zip', type: 'application/zip' },
};
