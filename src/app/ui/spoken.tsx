/** What a screen reader hears of a run: its state at most every ten seconds, and its end. */
import { effect, signal } from '@preact/signals';
import { text } from '../i18n/text.ts';
import { current, finished, live } from '../state/jobs.ts';
import { progressText } from './progress-panel.tsx';

const SPOKEN_EVERY_MS = 10_000;
const said = signal('');
let saidAt = -Infinity;

effect(() => {
  if (!current.value) {
    saidAt = -Infinity;
    said.value = finished.value ? text('run.ready') : '';
    return;
  }
  if (!live.value || performance.now() - saidAt < SPOKEN_EVERY_MS) return;
  saidAt = performance.now();
  said.value = progressText(live.value);
});

/** The line, seen by nobody. */
export const Spoken = () => (
  <p id="live" class="off-screen" role="status">
    {said.value}
  </p>
);
