/** What the page and the worker that keeps models say to each other. */
import type { DownloadCheck, KeptModel } from '../../engine/index.ts';

/** How far a download has come, all files of the model together. */
export type DownloadProgress = {
  readonly id: string;
  readonly bytes: number;
  readonly totalBytes: number;
  /** Path of the file that is on its way. */
  readonly file: string;
  readonly bytesPerSecond: number;
  /** Milliseconds to go; undefined until the speed is known. */
  readonly leftMs: number | undefined;
};

/** What happens to downloads, told to every tab of the site. */
export type DownloadEvent =
  | ({ readonly type: 'progress' } & DownloadProgress)
  | { readonly type: 'ended'; readonly id: string; readonly failure: ModelFailure | undefined };

/** A failure in plain data; `code` chooses the words, a cancelled download has `cancelled`. */
export type ModelFailure = { readonly code: string; readonly message: string };

/** Space of this site on the device. */
export type StorageState = {
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Whether the browser promised to keep it; else it may clear it when it needs space or after weeks without a visit. */
  readonly persisted: boolean;
};

export type ModelsRequest = { readonly call: number } & (
  | { readonly type: 'list' }
  | { readonly type: 'storage' }
  | { readonly type: 'check'; readonly id: string; readonly hub: string }
  | { readonly type: 'download'; readonly id: string; readonly hub: string }
  | { readonly type: 'remove'; readonly id: string }
  | { readonly type: 'cancel' }
);

/** What a call resolves to, by its type. */
export type ModelsResults = {
  readonly list: readonly KeptModel[];
  readonly storage: StorageState;
  readonly check: DownloadCheck;
  readonly download: undefined;
  readonly remove: undefined;
};

export type ModelsAnswer =
  | { readonly call: number; readonly ok: true; readonly result: unknown }
  | { readonly call: number; readonly ok: false; readonly failure: ModelFailure };

/** The channel on which all tabs hear of downloads. */
export const DOWNLOADS_CHANNEL = 'zoetrope/downloads';
