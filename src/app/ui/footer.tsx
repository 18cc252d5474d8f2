/** The foot of the page: what is kept here and how to erase it, what is told when a video is done. */
import { useSignal } from '@preact/signals';
import { text } from '../i18n/text.ts';
import { chime, chooseChime, chooseNotify, notify } from '../state/attention.ts';
import { eraseEverything, erasing } from '../state/erasing.ts';
import { Check } from './check.tsx';
import { Dialog } from './dialog.tsx';
import { DiagnosticsButton } from './diagnostics-button.tsx';
import { FailureNote } from './failure-note.tsx';
import { RunLogButton } from './run-log-button.tsx';
import { SanityCheck } from './sanity-check.tsx';

/** The foot. */
export function Footer() {
  const asking = useSignal(false);
  return (
    <footer class="foot">
      <div class="choices" role="group" aria-label={text('attention.label')}>
        {'Notification' in globalThis && (
          <Check
            id="notify"
            label={text('attention.notify')}
            checked={notify.value}
            onChange={(yes) => void chooseNotify(yes)}
          />
        )}
        <Check
          id="chime"
          label={text('attention.chime')}
          checked={chime.value}
          onChange={chooseChime}
        />
      </div>
      <p class="hint">{text('foot.privacy')}</p>
      <div class="ways">
        <SanityCheck />
        <RunLogButton />
        <button type="button" id="erase" class="quiet" onClick={() => (asking.value = true)}>
          {text('erase.label')}
        </button>
      </div>
      <DiagnosticsButton />
      {asking.value && <EraseDialog onClose={() => (asking.value = false)} />}
    </footer>
  );
}

const EraseDialog = ({ onClose }: { readonly onClose: () => void }) => (
  <Dialog id="erase-window" title={text('erase.label')} onClose={onClose}>
    <p>{text('erase.about')}</p>
    {erasing.value.failure && <FailureNote failure={erasing.value.failure} />}
    <button
      type="button"
      id="erase-now"
      class="primary"
      disabled={erasing.value.busy}
      onClick={() => void eraseEverything()}
    >
      {text('erase.now')}
    </button>
  </Dialog>
);
