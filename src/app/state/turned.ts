/** The video on the stage there and back, made when the player is first asked for it. */
import { effect, signal } from '@preact/signals';
import { EngineError } from '../../engine/index.ts';
import { exportVideo } from '../output/export.ts';
import { shown } from './history.ts';
import { playMode, savingFailure } from './saving.ts';

/** Its address and number of frames; undefined while it is not there. */
export const turned = signal<{ readonly url: string; readonly frames: number } | undefined>(
  undefined,
);

/** Makes it whenever it is wanted. */
export function followTurned(): void {
  effect(() => {
    const video = shown.value;
    if (playMode.value !== 'pingPong' || !video) return undefined;
    const stop = new AbortController();
    exportVideo(video, 'mp4', { pingPong: true, signal: stop.signal }).then(
      ({ blob, frames }) => {
        if (!stop.signal.aborted) turned.value = { url: URL.createObjectURL(blob), frames };
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        if (!(error instanceof EngineError)) throw error;
        savingFailure.value = { code: error.code, message: error.message };
        playMode.value = 'loop';
      },
    );
    return () => {
      stop.abort();
      if (turned.peek()) URL.revokeObjectURL(turned.peek()?.url ?? '');
      turned.value = undefined;
    };
  });
}
