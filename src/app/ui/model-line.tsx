/** Which model is used, where it is another than the page's own. */
import { text } from '../i18n/text.ts';
import { isBuiltIn, local, model, released } from '../state/models.ts';

/** The line; nothing for the built-in model. */
export const ModelLine = () =>
  isBuiltIn.value ? null : (
    <p id="model-line" class="hint">
      {text('models.current', {
        name: local.value?.local.name ?? released.value?.title ?? model.value,
      })}
    </p>
  );
