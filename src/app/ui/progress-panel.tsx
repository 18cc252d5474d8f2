/** How far the run is: one bar over all stages, what happens now, how long it takes. */
import { leftText, text, textOf } from '../i18n/text.ts';
import type { LiveProgress } from '../running-clock.ts';
import { cancel, live } from '../state/run.ts';
import { Bar } from './bar.tsx';

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
        <p id="stage">{said}</p>
        <button type="button" id="cancel" title="Esc" onClick={cancel}>
          {text('run.cancel')}
        </button>
      </div>
    </div>
  );
}
