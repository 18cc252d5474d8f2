/** A box to tick, with its words. */

type CheckProps = {
  readonly id: string;
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (yes: boolean) => void;
};

/** A box to tick. */
export const Check = ({ id, label, checked, onChange }: CheckProps) => (
  <label class="check">
    <input
      id={id}
      type="checkbox"
      checked={checked}
      onChange={({ currentTarget }) => onChange(currentTarget.checked)}
    />
    {label}
  </label>
);
