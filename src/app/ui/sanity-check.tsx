/** The button that checks this machine, and what came of it. */
import { numberText, percentText, text } from '../i18n/text.ts';
import { current } from '../state/jobs.ts';
import { checkMachine, sanity } from '../state/sanity.ts';
import { Bar } from './bar.tsx';
import { FailureNote } from './failure-note.tsx';

/** The check. */
export function SanityCheck() {
  const last = sanity.value;
  return (
    <div class="sanity">
      <button
        type="button"
        id="sanity"
        class="quiet"
        title={text('sanity.about')}
        disabled={last.state === 'running' || current.value !== undefined}
        onClick={() => void checkMachine()}
      >
        {text('sanity.check')}
      </button>
      {last.state === 'running' && (
        <Bar label={text('sanity.check')} share={last.done} said={percentText(last.done)} />
      )}
      {last.state === 'done' && (
        <p id="sanity-result" class="hint" role="status">
          {text(last.matches ? 'sanity.good' : 'sanity.bad', {
            decibels: numberText(last.decibels, 1),
          })}
        </p>
      )}
      {last.state === 'failed' && <FailureNote failure={last.failure} />}
    </div>
  );
}
