/** What is asked of the video: motion, quality, everything else in one place, and the button that starts. */
import { text } from '../i18n/text.ts';
import { animate, batchSize } from '../state/batch.ts';
import { current } from '../state/jobs.ts';
import { isBuiltIn } from '../state/models.ts';
import { Advanced } from './advanced.tsx';
import { ModelLine } from './model-line.tsx';
import { MoreInputs } from './more-inputs.tsx';
import { MotionField } from './motion-field.tsx';
import { PromptField } from './prompt-field.tsx';
import { Quality } from './quality.tsx';

function startText(): string {
  if (current.value) return text('run.add');
  return batchSize.value > 1
    ? text('run.startMany', { count: batchSize.value })
    : text('run.start');
}

/** The form. */
export const Controls = () => (
  <form
    id="form"
    class="controls"
    onSubmit={(event) => {
      event.preventDefault();
      void animate();
    }}
  >
    <ModelLine />
    <PromptField />
    {isBuiltIn.value && <MotionField />}
    <MoreInputs />
    <Quality />
    <Advanced />
    <div class="go">
      <button type="submit" id="generate" class="primary large">
        {startText()}
      </button>
      <p class="hint keys">{text('run.keys')}</p>
    </div>
  </form>
);
