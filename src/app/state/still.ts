/** Whether the video that was just made hardly moves. */
import { effect, signal } from '@preact/signals';
import { motionIn, STILL } from '../output/stillness.ts';
import { shown } from './history.ts';
import { finished } from './jobs.ts';

/** Id of a video in which hardly anything moves. */
export const still = signal<string | undefined>(undefined);

/** Looks at every video that is made. */
export function followStill(): void {
  effect(() => {
    const video = shown.value;
    if (!video || video.facts.id !== finished.value || video.facts.frames < 2) return;
    motionIn(video.video).then(
      (motion) => {
        if (motion < STILL) still.value = video.facts.id;
      },
      () => undefined, // a video that does not play here is told of by the player
    );
  });
}
