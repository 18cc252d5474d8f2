/** Keeps the screen on while a run is watched, and tells when it is done to those who asked for it. */
import { effect, signal } from '@preact/signals';
import { text } from '../i18n/text.ts';
import { current, finished } from './jobs.ts';
import { recall, remember } from './remembered.ts';

/** Whether a notification is wanted when a video is done. */
export const notify = signal(recall('notify') === 'yes');
/** Whether a sound is. */
export const chime = signal(recall('chime') === 'yes');

/** Chooses; the browser may ask, and the answer may be no. */
export async function chooseNotify(yes: boolean): Promise<void> {
  notify.value = yes && (await Notification.requestPermission()) === 'granted';
  remember('notify', notify.value ? 'yes' : 'no');
}

/** Chooses whether a sound is made. */
export function chooseChime(yes: boolean): void {
  chime.value = yes;
  remember('chime', yes ? 'yes' : 'no');
}

/** Follows the runs. */
export function followAttention(): void {
  effect(() => {
    if (finished.value === undefined) return;
    if (notify.peek() && document.hidden) tell();
    if (chime.peek()) void ring();
  });
  keepScreenOn();
}

function tell(): void {
  const told = new Notification(text('app.name'), { body: text('run.ready'), tag: 'done' });
  told.addEventListener('click', () => {
    window.focus();
    told.close();
  });
}

const NOTES_HZ = [523.25, 659.25, 783.99] as const;
const NOTE_SECONDS = 0.16;

/** Three soft notes, each falling away. */
async function ring(): Promise<void> {
  const context = new AudioContext();
  for (const [i, frequency] of NOTES_HZ.entries()) {
    const begin = context.currentTime + i * NOTE_SECONDS;
    const tone = new OscillatorNode(context, { frequency });
    const volume = new GainNode(context, { gain: 0 });
    volume.gain.setValueAtTime(0.15, begin);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + 4 * NOTE_SECONDS);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + 4 * NOTE_SECONDS);
    if (i === NOTES_HZ.length - 1) tone.addEventListener('ended', () => void context.close());
  }
}

/** The lock goes with the page's visibility and has to be taken anew when it is back. */
function keepScreenOn(): void {
  let lock: WakeLockSentinel | undefined;
  const update = async (): Promise<void> => {
    const wanted = current.value !== undefined && document.visibilityState === 'visible';
    if (!wanted) {
      await lock?.release();
      lock = undefined;
    } else if (!lock || lock.released) {
      // Low batteries and some browsers refuse it: the run goes on all the same.
      lock = await navigator.wakeLock?.request('screen').catch(() => undefined);
    }
  };
  const running = (): boolean => current.value !== undefined;
  let before = false;
  effect(() => {
    if (running() === before) return;
    before = !before;
    void update();
  });
  document.addEventListener('visibilitychange', () => void update());
}
