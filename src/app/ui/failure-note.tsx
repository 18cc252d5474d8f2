/** A failure in words, with the program's own beside them for those who ask. */
import type { Failure } from '../engine/protocol.ts';
import { text } from '../i18n/text.ts';
import { DiagnosticsButton } from './diagnostics-button.tsx';
import { failureText } from './failure-text.ts';

/** Whether a report may help: not where the person can do all that is to be done. */
const isOurs = ({ code }: Failure): boolean =>
  !/^(cancelled|picture\/|image\/|settings\/|update\/|storage\/quota)/.test(code);

/** The note. */
export const FailureNote = ({ failure }: { readonly failure: Failure }) => (
  <div class={failure.code === 'cancelled' ? 'note' : 'note bad'}>
    <p id="error" role="alert">
      {failureText(failure)}
    </p>
    {failure.code !== 'cancelled' && failure.message !== '' && (
      <details class="own-words">
        <summary>{text('diagnostics.details')}</summary>
        <p>{failure.message}</p>
      </details>
    )}
    {isOurs(failure) && <DiagnosticsButton failure={failure} />}
  </div>
);
