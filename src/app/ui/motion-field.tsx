/** How strongly things move. */
import { percentText, text } from '../i18n/text.ts';
import { wish, wishes } from '../state/wishes.ts';

/** The slider with its value. */
export function MotionField() {
  const { motion } = wishes.value;
  return (
    <div class="field">
      <div class="line">
        <label for="motion">{text('motion.label')}</label>
        <output for="motion">{percentText(motion)}</output>
      </div>
      <input
        id="motion"
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={motion}
        aria-valuetext={percentText(motion)}
        onInput={({ currentTarget }) => wish({ motion: currentTarget.valueAsNumber })}
      />
    </div>
  );
}
