/** Finished videos that are kept on this device, and the one on the stage. */
import { signal } from '@preact/signals';
import { EngineError } from '../../engine/index.ts';
import type { Failure } from '../engine/protocol.ts';
import type { ResultFacts, StoredResult } from '../storage/history.ts';
import * as history from '../storage/history.ts';

/** A video on the stage. */
export type ShownVideo = StoredResult & { readonly url: string };

/** What is kept, the newest first. */
export const results = signal<readonly ResultFacts[]>([]);
/** The video on the stage. */
export const shown = signal<ShownVideo | undefined>(undefined);
/** Why the history could not be read or written. */
const historyFailure = signal<Failure | undefined>(undefined);

/** Looks up what is kept. */
export const listResults = (): Promise<void> =>
  guarded(async () => {
    results.value = await history.list();
  });

/** Puts a video that is kept on the stage. */
export const showResult = (id: string): Promise<void> =>
  guarded(async () => show(await history.openResult(id)));

/** Puts a video on the stage. */
export function show(result: StoredResult): void {
  hideResult();
  shown.value = { ...result, url: URL.createObjectURL(result.video) };
}

/** Takes the video off the stage. */
function hideResult(): void {
  if (shown.value) URL.revokeObjectURL(shown.value.url);
  shown.value = undefined;
}

/** Deletes a video. */
export const removeResult = (id: string): Promise<void> =>
  guarded(async () => {
    await history.remove(id);
    if (shown.value?.facts.id === id) hideResult();
    results.value = await history.list();
  });

/** Resolves to the address of a small picture of a video; the caller gives it back. */
export async function posterUrl(id: string): Promise<string | undefined> {
  const picture = await history.poster(id);
  return picture && URL.createObjectURL(picture);
}

async function guarded(work: () => Promise<void>): Promise<void> {
  historyFailure.value = undefined;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    historyFailure.value = { code: error.code, message: error.message };
  }
}
