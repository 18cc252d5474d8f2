/** A number that is as usual unless it is set. */
import { text } from '../i18n/text.ts';
import type { Key } from '../i18n/locale.ts';
import { override, wishes } from '../state/wishes.ts';
import type { Override } from '../state/wishes.ts';

type Props = { readonly name: Override; readonly range: readonly number[]; readonly step: number };

/** The field; empty = as usual. */
export function NumberField({ name, range: [low = 0, high = 1], step }: Props) {
  const label: Key = `${name}.label`;
  const value = wishes.value.overrides[name];
  return (
    <div class="field small">
      <label for={name}>{text(label)}</label>
      <input
        id={name}
        type="number"
        inputMode="decimal"
        {...{ step, min: low, max: high }}
        value={value ?? ''}
        placeholder={text('advanced.auto')}
        onChange={({ currentTarget }) => {
          const given = currentTarget.valueAsNumber;
          override(name, Number.isNaN(given) ? undefined : Math.min(high, Math.max(low, given)));
        }}
      />
    </div>
  );
}
