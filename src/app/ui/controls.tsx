/** What is asked of the video: motion, quality, everything else in one place, and the button that starts. */
import { text } from '../i18n/text.ts';
import { animate, running } from '../state/run.ts';
import { Advanced } from './advanced.tsx';
import { MotionField } from './motion-field.tsx';
import { PromptField } from './prompt-field.tsx';
import { Quality } from './quality.tsx';

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
    <PromptField />
    <MotionField />
    <Quality />
    <Advanced />
    <div class="go">
      <button type="submit" id="generate" class="primary large" disabled={running.value}>
        {text('run.start')}
      </button>
      <p class="hint keys">{text('run.keys')}</p>
    </div>
  </form>
);
