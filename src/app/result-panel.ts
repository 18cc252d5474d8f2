/** The part of the page that shows progress, failures and the finished video. */
import type { AnimateReport, ProgressEvent } from '../engine/index.ts';
import { element } from './dom.ts';
import { durationText, progressText } from './messages.ts';
import type { Video } from './protocol.ts';
import { RunningClock } from './running-clock.ts';

export type ResultPanel = {
  /** Takes away failure and progress, and starts the clock of a run; a finished video stays. */
  start(): void;
  showProgress(event: ProgressEvent): void;
  showVideo(video: Video, report: AnimateReport): void;
  showFailure(text: string): void;
  /** Takes away failure and progress, and stops the clock. */
  clear(): void;
};

const REDRAW_MS = 500;
/** The screen reader hears of progress at most this often. */
const SPOKEN_EVERY_MS = 10_000;

/** Brings the panel to life. */
export function resultPanel(): ResultPanel {
  const error = element('error', HTMLParagraphElement);
  const progress = element('progress', HTMLDivElement);
  const bar = element('bar', HTMLProgressElement);
  const stage = element('stage', HTMLParagraphElement);
  const spoken = element('live', HTMLParagraphElement);
  const empty = element('empty', HTMLParagraphElement);
  const result = element('result', HTMLElement);
  const player = element('video', HTMLVideoElement);
  const facts = element('facts', HTMLElement);
  const download = element('download', HTMLAnchorElement);
  let clock = new RunningClock();
  let timer = 0;
  let spokenAt = -Infinity;

  const clear = (): void => {
    clearInterval(timer);
    error.hidden = true;
    progress.hidden = true;
    spokenAt = -Infinity;
  };

  const draw = (): void => {
    const live = clock.read();
    if (!live) return;
    const text = progressText(live);
    progress.hidden = false;
    bar.value = live.done;
    bar.setAttribute('aria-valuetext', text);
    stage.textContent = text;
    if (performance.now() - spokenAt < SPOKEN_EVERY_MS) return;
    spokenAt = performance.now();
    spoken.textContent = text;
  };

  return {
    clear,
    start() {
      clear();
      clock = new RunningClock();
      timer = window.setInterval(draw, REDRAW_MS);
    },
    showProgress(event) {
      clock.take(event);
      draw();
    },
    showVideo({ file, codec, width, height, frames, fps }, report) {
      clear();
      URL.revokeObjectURL(player.src);
      const url = URL.createObjectURL(new Blob([file], { type: 'video/mp4' }));
      player.src = url;
      download.href = url;
      const understood = wordList(' Words understood', report.understood);
      const ignored = wordList(' Words this model does not know', report.ignored);
      const seconds = durationText((1000 * frames) / fps);
      facts.textContent = `${width} × ${height}, ${frames} frames, ${seconds}, ${codec}, seed ${report.settings.seed}, made in ${durationText(report.totalMs)}.${understood}${ignored}`;
      empty.hidden = true;
      result.hidden = false;
      spoken.textContent = 'The video is ready.';
      if (!matchMedia('(prefers-reduced-motion: reduce)').matches) void player.play();
    },
    showFailure(text) {
      clear();
      error.textContent = text;
      error.hidden = false;
    },
  };
}

const wordList = (title: string, words: readonly string[]): string =>
  words.length > 0 ? `${title}: ${words.join(', ')}.` : '';
