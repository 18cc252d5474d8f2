/** Saving the video on the stage as a file, in any format, and playing it there and back. */
import { signal } from '@preact/signals';
import { EngineError } from '../../engine/index.ts';
import type { Failure } from '../engine/protocol.ts';
import { text } from '../i18n/text.ts';
import { exportVideo } from '../output/export.ts';
import type { ExportFormat } from '../output/formats.ts';
import { locale } from '../i18n/locale.ts';
import { shown } from './history.ts';
import { recall, remember } from './remembered.ts';

/** How the video on the stage goes on at its end. */
export const PLAY_MODES = ['loop', 'pingPong', 'once'] as const;
export type PlayMode = (typeof PLAY_MODES)[number];

/** The mode of the player; files are there and back when the player is. */
export const playMode = signal<PlayMode>('loop');
/** Whether words, seed and settings are written into files. */
export const includeSettings = signal(recall('includeSettings') !== 'no');
/** Whether files show that they were made by a machine; by default where the law asks for it. */
export const visibleMark = signal<boolean | undefined>(markChoice());
/** The file that is being made, and how far it is. */
export const saving = signal<{ readonly format: ExportFormat; readonly done: number } | undefined>(
  undefined,
);
/** Why the last file could not be made. */
export const savingFailure = signal<Failure | undefined>(undefined);

let stop = new AbortController();

function markChoice(): boolean | undefined {
  const kept = recall('visibleMark');
  return kept === undefined ? undefined : kept === 'yes';
}

/** Whether files carry the visible mark. */
export const isMarked = (): boolean => visibleMark.value ?? locale.value === 'zh-CN';

/** Chooses what files tell of how they were made. */
export function chooseIncludeSettings(yes: boolean): void {
  includeSettings.value = yes;
  remember('includeSettings', yes ? 'yes' : 'no');
}

/** Chooses whether files carry the visible mark. */
export function chooseVisibleMark(yes: boolean): void {
  visibleMark.value = yes;
  remember('visibleMark', yes ? 'yes' : 'no');
}

/** Makes a file of the video on the stage and lets the browser save it. */
export async function save(format: ExportFormat): Promise<void> {
  const video = shown.value;
  if (!video || saving.value) return;
  stop = new AbortController();
  saving.value = { format, done: 0 };
  savingFailure.value = undefined;
  try {
    const file = await exportVideo(video, format, {
      pingPong: playMode.value === 'pingPong',
      includeSettings: includeSettings.value,
      ...(isMarked() && { visibleMark: text('save.markWords') }),
      signal: stop.signal,
      onProgress: (done) => (saving.value = { format, done }),
    });
    download(file.blob, file.name);
  } catch (error) {
    if (!(error instanceof EngineError)) {
      if (!stop.signal.aborted) throw error;
    } else savingFailure.value = { code: error.code, message: error.message };
  } finally {
    saving.value = undefined;
  }
}

/** Stops making the file. */
export const stopSaving = (): void => stop.abort();

/** Lets the browser save a file under a name. */
export function download(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
