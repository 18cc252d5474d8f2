/** What should move, in words, with suggestions of motion and camera; the picture says the rest. */
import { readWishes, resolveSettings } from '../../engine/index.ts';
import { text } from '../i18n/text.ts';
import { isBuiltIn } from '../state/models.ts';
import { wish, wishes } from '../state/wishes.ts';

const CHIPS = ['wind', 'water', 'clouds', 'in', 'left', 'up'] as const;
const LONGEST = 1000;
const SEPARATOR = /\s*[,\uff0c\u3001]\s*/;

/** Takes a suggestion into the words, or out of them. */
function toggle(chip: string): void {
  const parts = wishes.value.prompt.split(SEPARATOR).filter((part) => part !== '');
  const kept = parts.filter((part) => part !== chip);
  wish({ prompt: (kept.length < parts.length ? kept : [...parts, chip]).join(', ') });
}

/** The built-in model knows words of motion alone: those that it does not know are said at once. */
function Ignored() {
  const { prompt, motion } = wishes.value;
  if (!isBuiltIn.value) return null;
  const { ignored } = readWishes(resolveSettings({ prompt, motion }));
  return ignored.length === 0 ? null : (
    <p id="ignored" class="hint">
      {text('prompt.ignored', { words: ignored.join(', ') })}
    </p>
  );
}

/** The field. */
export function PromptField() {
  const { prompt } = wishes.value;
  const parts = prompt.split(SEPARATOR);
  return (
    <div class="field">
      <label for="prompt">{text('prompt.label')}</label>
      <textarea
        id="prompt"
        rows={2}
        maxLength={LONGEST}
        placeholder={text('prompt.placeholder')}
        aria-describedby="prompt-help"
        value={prompt}
        onInput={({ currentTarget }) => wish({ prompt: currentTarget.value })}
      />
      <div class="chips" role="group" aria-label={text('prompt.chips')}>
        {CHIPS.map((name) => {
          const words = text(`chip.${name}`);
          return (
            <button
              key={name}
              type="button"
              class="chip"
              aria-pressed={parts.includes(words)}
              onClick={() => toggle(words)}
            >
              {words}
            </button>
          );
        })}
      </div>
      <p id="prompt-help" class="hint">
        {text('prompt.help')}
      </p>
      <Ignored />
    </div>
  );
}
