/** A choice among few, with the browser's own list. */
import type { ComponentChildren } from 'preact';
import { Icon } from './icon.tsx';
import type { IconName } from './icon.tsx';

export type Option<T extends string> = {
  readonly value: T;
  readonly label: string;
  readonly lang?: string;
};

type Props<T extends string> = {
  readonly id: string;
  readonly label: string;
  readonly value: T;
  readonly options: readonly Option<T>[];
  readonly onChange: (value: T) => void;
  /** Shown in place of the label, which is then for screen readers. */
  readonly icon?: IconName;
  readonly children?: ComponentChildren;
};

/** A labelled choice. */
export const Select = <T extends string>(props: Props<T>) => (
  <div class={props.icon ? 'select with-icon' : 'select'}>
    <label for={props.id} class={props.icon ? 'off-screen' : ''}>
      {props.label}
    </label>
    {props.icon && <Icon name={props.icon} />}
    <select
      id={props.id}
      value={props.value}
      onChange={({ currentTarget }) => {
        const chosen = props.options.find(({ value }) => value === currentTarget.value);
        if (chosen) props.onChange(chosen.value);
      }}
    >
      {props.options.map(({ value, label, lang }) => (
        <option key={value} value={value} lang={lang} selected={value === props.value}>
          {label}
        </option>
      ))}
    </select>
  </div>
);
