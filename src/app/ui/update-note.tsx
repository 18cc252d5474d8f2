/** Offers a new version of the page. */
import { text } from '../i18n/text.ts';
import { update, updateFailure, updateWaits } from '../state/updates.ts';
import { FailureNote } from './failure-note.tsx';

/** The offer; nothing while no new version waits. */
export const UpdateNote = () =>
  updateWaits.value ? (
    <div class="note update">
      <p>{text('update.waits')}</p>
      <button type="button" id="update" onClick={() => void update()}>
        {text('update.now')}
      </button>
      {updateFailure.value && <FailureNote failure={updateFailure.value} />}
    </div>
  ) : null;
