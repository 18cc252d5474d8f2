/** What the stage shows: the picture with what becomes of it, or a video. */
import { effect, signal } from '@preact/signals';
import { shown } from './history.ts';
import { current } from './jobs.ts';
import { picture } from './picture.ts';

/** What the stage shows. */
export const view = signal<'picture' | 'video'>('picture');

/** Turns the stage to what came last: a picture that was chosen, a run that began, a video that is there. */
export function followStage(): void {
  effect(() => {
    if (picture.value) view.value = 'picture';
  });
  effect(() => {
    if (current.value?.id !== undefined) view.value = 'picture';
  });
  effect(() => {
    view.value = shown.value ? 'video' : 'picture';
  });
}
