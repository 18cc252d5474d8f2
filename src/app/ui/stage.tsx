/** The large part of the page: the picture with its crop, what becomes of it while a run goes on, then the video. */
import { text } from '../i18n/text.ts';
import { shown } from '../state/history.ts';
import { adopted } from '../state/intake.ts';
import { current, failure, preview } from '../state/jobs.ts';
import { picture } from '../state/picture.ts';
import { view } from '../state/stage.ts';
import { CrashNote } from './crash-note.tsx';
import { FailureNote } from './failure-note.tsx';
import { Intake } from './intake.tsx';
import { PictureView } from './picture-view.tsx';
import { Preview } from './preview.tsx';
import { ProgressPanel } from './progress-panel.tsx';
import { ResultPanel } from './result-panel.tsx';
import { Spoken } from './spoken.tsx';
import { UpdateNote } from './update-note.tsx';

/** The stage. */
export const Stage = () => (
  <section class="stage" aria-label={text('stage.label')}>
    <UpdateNote />
    <CrashNote />
    {adopted.value && (
      <p class="note" role="status">
        {text('settings.adopted')}
      </p>
    )}
    {shown.value && <Views />}
    {view.value === 'video' && shown.value ? (
      <ResultPanel shown={shown.value} />
    ) : (
      <Intake>
        <Sight />
      </Intake>
    )}
    {failure.value && <FailureNote failure={failure.value} />}
    {current.value && <ProgressPanel />}
    <Spoken />
  </section>
);

/** What is seen of the picture: what it is becoming, else itself. */
function Sight() {
  if (preview.value && current.value) return <Preview shown={preview.value} />;
  return picture.value ? <PictureView chosen={picture.value} /> : null;
}

const Views = () => (
  <div class="views" role="group" aria-label={text('stage.label')}>
    {(['picture', 'video'] as const).map((name) => (
      <button
        key={name}
        type="button"
        class="chip"
        aria-pressed={view.value === name}
        onClick={() => (view.value = name)}
      >
        {text(`view.${name}`)}
      </button>
    ))}
  </div>
);
