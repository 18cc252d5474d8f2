/** Everything that most people leave alone, in one place that stays closed until it is asked for. */
import { SETTING_LIMITS as limits } from '../../engine/index.ts';
import { text } from '../i18n/text.ts';
import { MOST_SEEDS, seedCount } from '../state/batch.ts';
import { isBuiltIn } from '../state/models.ts';
import { anySeed, resetWishes, SHAPES, wish, wishes } from '../state/wishes.ts';
import { Check } from './check.tsx';
import { Icon } from './icon.tsx';
import { NumberField } from './number-field.tsx';
import { Select } from './select.tsx';

const [LEAST_SEED = 0, LARGEST_SEED = 1] = limits.seed;

/** The panel. */
export const Advanced = () => (
  <details class="advanced">
    <summary>
      <Icon name="sliders" />
      {text('advanced.label')}
    </summary>
    <div class="grid">
      <Seed />
      <div class="field small">
        <label for="seeds">{text('seeds.label')}</label>
        <input
          id="seeds"
          type="number"
          inputMode="numeric"
          min={1}
          max={MOST_SEEDS}
          step={1}
          value={seedCount.value}
          onChange={({ currentTarget }) => {
            const wanted = Math.trunc(currentTarget.valueAsNumber) || 1;
            seedCount.value = Math.min(MOST_SEEDS, Math.max(1, wanted));
          }}
        />
      </div>
      <Select
        id="shape"
        label={text('shape.label')}
        value={wishes.value.shape}
        options={SHAPES.map((value) => ({
          value,
          label: value === 'picture' ? text('shape.picture') : value,
        }))}
        onChange={(shape) => wish({ shape })}
      />
      <NumberField name="frames" range={limits.frames} step={1} />
      <NumberField name="fps" range={limits.fps} step={1} />
      <NumberField name="steps" range={limits.steps} step={1} />
      <Select
        id="precision"
        label={text('precision.label')}
        value={wishes.value.precision}
        options={(['auto', 'f16', 'f32'] as const).map((value) => ({
          value,
          label: text(`precision.${value}`),
        }))}
        onChange={(precision) => wish({ precision })}
      />
    </div>
    {isBuiltIn.value ? <Camera /> : <ForReadingModels />}
    <Check
      id="loop"
      label={text('loop.label')}
      checked={wishes.value.loop}
      onChange={(loop) => wish({ loop })}
    />
    <Check
      id="pin-first"
      label={text('pin.label')}
      checked={wishes.value.pinFirst}
      onChange={(pinFirst) => wish({ pinFirst })}
    />
    <button type="button" id="reset" onClick={resetWishes}>
      {text('advanced.reset')}
    </button>
  </details>
);

const Seed = () => (
  <div class="field small">
    <label for="seed">{text('seed.label')}</label>
    <div class="joined">
      <input
        id="seed"
        type="number"
        inputMode="numeric"
        min={LEAST_SEED}
        max={LARGEST_SEED}
        step={1}
        value={wishes.value.seed}
        onChange={({ currentTarget }) => {
          const seed = Math.trunc(currentTarget.valueAsNumber);
          if (seed >= LEAST_SEED && seed <= LARGEST_SEED) wish({ seed });
        }}
      />
      <button
        type="button"
        id="dice"
        class="square"
        title={text('seed.dice')}
        aria-label={text('seed.dice')}
        onClick={() => wish({ seed: anySeed() })}
      >
        <Icon name="dice" />
      </button>
    </div>
  </div>
);

/** What models that read prompts whole can be asked beside. */
const ForReadingModels = () => (
  <>
    <div class="grid">
      <NumberField name="guidance" range={limits.guidance} step={0.1} />
      <NumberField name="shift" range={limits.shift} step={0.1} />
      <Select
        id="weights"
        label={text('weights.label')}
        value={wishes.value.weights}
        options={(['whole', 'int8', 'w8a8', 'int4'] as const).map((value) => ({
          value,
          label: text(`weights.${value}`),
        }))}
        onChange={(weights) => wish({ weights })}
      />
    </div>
    <div class="field">
      <label for="negative">{text('negative.label')}</label>
      <input
        id="negative"
        type="text"
        autocomplete="off"
        value={wishes.value.negativePrompt}
        onInput={({ currentTarget }) => wish({ negativePrompt: currentTarget.value })}
      />
    </div>
  </>
);

const Camera = () => (
  <div class="field">
    <label for="camera">{text('camera.label')}</label>
    <input
      id="camera"
      type="text"
      autocomplete="off"
      placeholder={text('camera.placeholder')}
      aria-describedby="camera-help"
      value={wishes.value.camera}
      onInput={({ currentTarget }) => wish({ camera: currentTarget.value })}
    />
    <p id="camera-help" class="hint">
      {text('camera.help')}
    </p>
  </div>
);
