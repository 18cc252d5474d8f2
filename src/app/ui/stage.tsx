/** The large part of the page: the picture with its crop, then the run, then the video. */
import { picture } from '../state/picture.ts';
import { failure, result, running } from '../state/run.ts';
import { text } from '../i18n/text.ts';
import { FailureNote } from './failure-note.tsx';
import { Intake } from './intake.tsx';
import { PictureView } from './picture-view.tsx';
import { ProgressPanel } from './progress-panel.tsx';
import { ResultPanel } from './result-panel.tsx';
import { Spoken } from './spoken.tsx';

/** The stage. */
export const Stage = () => (
  <section class="stage" aria-label={text('picture.heading')}>
    <Intake>{picture.value && <PictureView chosen={picture.value} />}</Intake>
    {failure.value && <FailureNote failure={failure.value} />}
    {running.value && <ProgressPanel />}
    {result.value && <ResultPanel result={result.value} />}
    <Spoken />
  </section>
);
