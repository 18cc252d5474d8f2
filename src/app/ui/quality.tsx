/** The three presets, each with what it makes. */
import { PRESETS, outputSize, resolveSettings } from '../../engine/index.ts';
import type { Preset } from '../../engine/index.ts';
import { bytesText, leftText, text } from '../i18n/text.ts';
import { estimates } from '../state/estimates.ts';
import { picture, settings } from '../state/picture.ts';
import type { Size } from '../state/picture.ts';
import { wish, wishes } from '../state/wishes.ts';
import { failureText } from './failure-text.ts';

/** Size and length of a preset's video for the picture at hand. */
function factsOf(preset: Preset): string {
  const told = estimates.value[preset]?.run;
  if (told) return sizeText(told.size, told.frames);
  const { overrides } = wishes.value;
  const resolved = resolveSettings({ ...settings.value, preset, ...overrides });
  const size = picture.value?.size;
  if (!size) return text('preset.frames', { frames: resolved.frames });
  return sizeText(outputSize(size, resolved), resolved.frames);
}

function sizeText({ width, height }: Size, frames: number): string {
  const said = text('crop.size', { width: String(width), height: String(height) });
  return `${said} · ${text('preset.frames', { frames })}`;
}

/** The next smaller preset that does fit, to be named in place of one that does not. */
function smallerThan(preset: Preset): { readonly smaller?: Preset } {
  const below = PRESETS.slice(0, PRESETS.indexOf(preset));
  const smaller = below.findLast((each) => estimates.value[each]?.fits === true);
  return smaller ? { smaller } : {};
}

/** Time and memory on this machine; why it cannot be, where it cannot. */
function estimateText(preset: Preset): string {
  const estimate = estimates.value[preset];
  if (!estimate) return '';
  const { seconds, peakBytes, measured, fits, reason } = estimate;
  if (!fits && reason) return failureText({ ...reason, ...smallerThan(preset) });
  return [
    seconds !== undefined && text('estimate.seconds', { time: leftText(1000 * seconds) }),
    text('estimate.memory', { size: bytesText(peakBytes) }),
    text(measured ? 'estimate.measured' : 'estimate.guess'),
  ]
    .filter((part) => part)
    .join(' · ');
}

/** The choice. */
export const Quality = () => (
  <fieldset class="field quality">
    <legend>{text('quality.label')}</legend>
    {PRESETS.map((preset) => (
      <label
        key={preset}
        class={estimates.value[preset]?.fits === false ? 'choice unfit' : 'choice'}
      >
        <input
          type="radio"
          name="preset"
          value={preset}
          checked={wishes.value.preset === preset}
          disabled={estimates.value[preset]?.fits === false}
          onChange={() => wish({ preset })}
        />
        <span class="name">{text(`preset.${preset}`)}</span>
        <span class="facts">{factsOf(preset)}</span>
        <span class="facts estimate">{estimateText(preset)}</span>
      </label>
    ))}
  </fieldset>
);
