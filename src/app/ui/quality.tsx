/** The three presets, each with what it makes. */
import { PRESETS, outputSize, resolveSettings } from '../../engine/index.ts';
import type { Preset } from '../../engine/index.ts';
import { text } from '../i18n/text.ts';
import { picture, settings } from '../state/picture.ts';
import { wish, wishes } from '../state/wishes.ts';

/** Size and length of a preset's video for the picture at hand. */
function factsOf(preset: Preset): string {
  const { overrides } = wishes.value;
  const resolved = resolveSettings({ ...settings.value, preset, ...overrides });
  const frames = text('preset.frames', { frames: resolved.frames });
  const size = picture.value?.size;
  if (!size) return frames;
  const { width, height } = outputSize(size, resolved);
  const said = text('crop.size', { width: String(width), height: String(height) });
  return `${said} · ${frames}`;
}

/** The choice. */
export const Quality = () => (
  <fieldset class="field quality">
    <legend>{text('quality.label')}</legend>
    {PRESETS.map((preset) => (
      <label key={preset} class="choice">
        <input
          type="radio"
          name="preset"
          value={preset}
          checked={wishes.value.preset === preset}
          onChange={() => wish({ preset })}
        />
        <span class="name">{text(`preset.${preset}`)}</span>
        <span class="facts">{factsOf(preset)}</span>
      </label>
    ))}
  </fieldset>
);
