/** How far the run is: one bar over all stages, what happens now, how long it takes. */
import type { Notice } from '../engine/protocol.ts';
import { leftText, numberText, text, textOf } from '../i18n/text.ts';
import type { LiveProgress } from '../running-clock.ts';
import { beat, cancel, current, finishEarly, live, notices } from '../state/jobs.ts';
import { Bar } from './bar.tsx';

/** A sign of life older than this is none. */
const ALIVE_MS = 4000;

/** Returns stage, step and time in one line. */
export function progressText(progress: LiveProgress | undefined): string {
  if (!progress) return text('run.starting');
  const { step, steps, leftMs, elapsedMs } = progress;
  const name = textOf('stage', progress.stage) ?? progress.stage;
  const stage =
    steps > 1 ? text('run.counted', { stage: name, step: Math.floor(step), steps }) : name;
  return leftMs === undefined
    ? text('run.soFar', { stage, time: leftText(elapsedMs) })
    : text('run.left', { stage, time: leftText(leftMs) });
}

/** The panel. */
export function ProgressPanel() {
  const done = live.value?.done ?? 0;
  const said = progressText(live.value);
  return (
    <div id="progress" class="progress">
      <Bar id="bar" label={text('run.label')} share={done} said={said} />
      <div class="line">
        <p id="stage">
          <Pulse />
          {said}
        </p>
        <div class="ways">
          {live.value?.stage === 'denoise' && (
            <button
              type="button"
              id="finish-early"
              title={text('run.finishEarlyHint')}
              onClick={finishEarly}
            >
              {text('run.finishEarly')}
            </button>
          )}
          <button type="button" id="cancel" title="Esc" onClick={cancel}>
            {text('run.cancel')}
          </button>
        </div>
      </div>
      {notices.value.map((notice) => {
        const words = noticeText(notice);
        return words === undefined ? null : (
          <p key={notice.kind} class="note notice" role="status">
            {words}
          </p>
        );
      })}
    </div>
  );
}

/** Returns what a notice says; undefined for those that need no words. */
function noticeText(notice: Notice): string | undefined {
  if (notice.kind === 'slow')
    return textOf('notice', 'slow', { factor: numberText(notice.factor, 1) });
  const values = 'step' in notice ? { step: notice.step } : {};
  const steps = 'steps' in notice ? { steps: notice.steps } : {};
  return textOf('notice', notice.kind, { ...values, ...steps });
}

/** A dot that beats while signs of life come. */
function Pulse() {
  const at = beat.value?.at;
  // Read again with every tick of the clock.
  const alive = live.value !== undefined && at !== undefined && performance.now() - at < ALIVE_MS;
  return current.value ? (
    <span class={alive ? 'pulse alive' : 'pulse'} title={alive ? text('run.alive') : ''} />
  ) : null;
}
