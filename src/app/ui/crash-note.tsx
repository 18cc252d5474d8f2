/** After a tab that went down in the middle of a run: an offer to do it again in a smaller way. */
import { PRESETS } from '../../engine/index.ts';
import { text } from '../i18n/text.ts';
import { crashed, queue } from '../state/jobs.ts';
import { wish } from '../state/wishes.ts';

/** The offer; nothing after a start in order. */
export function CrashNote() {
  const job = crashed.value;
  if (!job) return null;
  const preset = job.settings.preset ?? 'standard';
  const smaller = PRESETS[PRESETS.indexOf(preset) - 1];
  const dismiss = (): void => queue.value?.dismissCrash();
  return (
    <div class="note" role="alert">
      <p>{text('crash.about')}</p>
      <div class="ways">
        {smaller && (
          <button
            type="button"
            id="crash-smaller"
            onClick={() => {
              wish({ preset: smaller });
              dismiss();
            }}
          >
            {text('crash.smaller', { smaller: text(`preset.${smaller}`) })}
          </button>
        )}
        <button type="button" id="crash-dismiss" onClick={dismiss}>
          {text('crash.dismiss')}
        </button>
      </div>
    </div>
  );
}
