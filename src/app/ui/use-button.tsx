/** Makes a model the one that is used. */
import { text } from '../i18n/text.ts';
import { chooseModel, local, model } from '../state/models.ts';

/** The button, pressed where the model is in use. */
export function UseButton({ name }: { readonly name: string }) {
  const used = !local.value && model.value === name;
  return (
    <button type="button" class="chip" aria-pressed={used} onClick={() => chooseModel(name)}>
      {text(used ? 'models.used' : 'models.use')}
    </button>
  );
}
