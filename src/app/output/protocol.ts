/** What the page and the export's worker say to each other. */
import type { StoredResult } from '../storage/history.ts';
import type { ExportedFile, ExportFormat, ExportOptions } from './formats.ts';

export type ExportRequest = {
  readonly result: StoredResult;
  readonly format: ExportFormat;
  readonly options: ExportOptions;
  /** Mono samples at 48 kHz, decoded by the page: workers cannot. */
  readonly sound?: Float32Array | undefined;
};

export type ExportAnswer =
  | { readonly type: 'progress'; readonly done: number }
  | { readonly type: 'made'; readonly file: ExportedFile }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };
