/** The run that is going on, and what the last one left. */
import { signal } from '@preact/signals';
import { modelNames } from '../catalog.ts';
import { AppError } from '../app-error.ts';
import type { Failure, Finished } from '../engine/protocol.ts';
import { RunningClock } from '../running-clock.ts';
import type { LiveProgress } from '../running-clock.ts';
import { engine } from './engine.ts';
import { picture, settings } from './picture.ts';

/** Whether a run is going on. */
export const running = signal(false);
/** How far it is; undefined before the first report. */
export const live = signal<LiveProgress | undefined>(undefined);
/** Why the last run ended without a video, or why none began. */
export const failure = signal<Failure | undefined>(undefined);
/** The last video. */
export const result = signal<(Finished & { readonly url: string }) | undefined>(undefined);

const TICK_MS = 500;
const asked = new URLSearchParams(location.search);
/** `?profile` shows the times of every kernel; `?tune` times their variants on a processor too. */
const measures = { profile: asked.has('profile'), ...(asked.has('tune') && { tune: true }) };
let abort = new AbortController();

/** Makes a video of the picture as wished; one at a time. */
export async function animate(): Promise<void> {
  if (running.value) return;
  const chosen = picture.value;
  failure.value = chosen
    ? chosen.fault
    : { code: 'picture/none', message: 'no picture — choose one' };
  if (!chosen || failure.value) return;
  running.value = true;
  live.value = undefined;
  abort = new AbortController();
  const clock = new RunningClock();
  const timer = setInterval(() => (live.value = clock.read()), TICK_MS);
  try {
    const finished = await engine.run(
      {
        ...{ picture: chosen.file, settings: settings.value, measures },
        model: { name: modelNames[0] ?? '' },
      },
      {
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type !== 'progress') return;
          clock.take(event.progress);
          live.value = clock.read();
        },
      },
    );
    if (result.value) URL.revokeObjectURL(result.value.url);
    const file = new Blob([finished.video.file], { type: 'video/mp4' });
    result.value = { ...finished, url: URL.createObjectURL(file) };
  } catch (error) {
    failure.value = failureOf(error);
  } finally {
    clearInterval(timer);
    running.value = false;
    live.value = undefined;
  }
}

/** Stops the run. */
export const cancel = (): void => abort.abort();

const failureOf = (error: unknown): Failure => ({
  code: error instanceof AppError ? error.code : 'internal',
  message: error instanceof Error ? error.message : String(error),
});
