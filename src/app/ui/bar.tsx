/** A bar that shows a share, and says it in words to those who do not see it. */

type Props = {
  readonly id?: string;
  readonly label: string;
  /** 0 … 1. */
  readonly share: number;
  /** The state in words. */
  readonly said: string;
};

/** The bar. */
export const Bar = ({ id, label, share, said }: Props) => (
  <div
    id={id}
    class="bar"
    role="progressbar"
    aria-label={label}
    aria-valuemin={0}
    aria-valuemax={100}
    aria-valuenow={Math.floor(100 * share)}
    aria-valuetext={said}
  >
    <span style={{ transform: `scaleX(${share})` }} />
  </div>
);
