/** What a user can ask for: presets, defaults, limits, and the size of the video that follows from them. */
import { EngineError } from './gpu/errors.ts';
import { sizeWithLongSide } from './image/fit.ts';
import type { Size } from './image/fit.ts';
import type { WeightsChoice } from './weights/policy.ts';
import { WEIGHTS_CHOICES } from './weights/policy.ts';
import limits from './settings-limits.json' with { type: 'json' };

/** Names of the presets: size, frames and steps that go together. */
export type Preset = 'preview' | 'standard' | 'high';
/** Storage of the network's values; `auto` is f16 where the device computes in it, else f32. */
export type PrecisionChoice = 'auto' | 'f32' | 'f16';

/** Settings that are numbers with limits. */
type NumberName =
  | ('frames' | 'steps' | 'seed' | 'fps' | 'motion')
  | ('guidance' | 'shift' | 'rate' | 'eta' | 'imageGuidance');

/** Complete settings of a run. */
export type Settings = {
  /** Free text; the built-in model reads words of motion in it and no others. */
  readonly prompt: string;
  readonly preset: Preset;
  readonly frames: number;
  /** Size of the video; absent = the picture's aspect at the preset's long side. */
  readonly size?: Size;
  /** Steps of the sampler. */
  readonly steps: number;
  /** Strength of motion, 0 … 1. */
  readonly motion: number;
  /** Words for the camera, e.g. `pan left, zoom in`; empty = a still camera. */
  readonly camera: string;
  /** Whether the frame after the last is the first. */
  readonly loop: boolean;
  readonly seed: number;
  readonly fps: number;
  readonly precision: PrecisionChoice;
  /** What the video should not show; absent = the model's own words. For models that read prompts whole. */
  readonly negativePrompt?: string;
  /** Scale of the prompt's pull, absent = what is usual for the model; 1 runs its network once a step instead of twice. */
  readonly guidance?: number;
  /** Pushes the noise levels up, absent = what is usual for the model. */
  readonly shift?: number;
  /** Frames a second, or frames between two, that the network is told, for models that are told; absent = what is usual. */
  readonly rate?: number;
  /** Share of fresh noise in each step, 0 … 1, for models with a noisy sampler; absent = what is usual. */
  readonly eta?: number;
  /** Scale of the picture's pull apart from the prompt's, a third run of the network a step; absent = none of its own. */
  readonly imageGuidance?: number;
  /** Weight matrices as small integers: a half or a quarter of the memory, and with `w8a8` products of integers; absent = as `precision` says. */
  readonly weights?: WeightsChoice;
  /** Whether the first frame is the picture itself, for models that paint it anew; absent = as the model paints it. */
  readonly pinFirst?: boolean;
  /** Whether weights are read block by block in each step, for models that the graphics memory does not hold. */
  readonly stream?: boolean;
};

/** All presets, the quickest first. */
export const PRESETS: readonly Preset[] = ['preview', 'standard', 'high'];
/** Least and largest value of each number that can be set. */
export const SETTING_LIMITS = limits satisfies Readonly<Record<NumberName, number[]>>;
const PRECISIONS: readonly PrecisionChoice[] = ['auto', 'f32', 'f16'];

/** Sides of a chosen size are multiples of this: the video is even, the refinement halves it once more. */
const SIDE_MULTIPLE = 4;
/** Sides of a derived size. */
const ROUND_MULTIPLE = 8;

/**
 * Returns complete settings: what is given, else the preset's, else the defaults.
 * Throws `settings/` and the name of the first value that is out of its range.
 */
export function resolveSettings(given: Partial<Settings> = {}): Settings {
  const preset = given.preset ?? 'standard';
  oneOf('preset', preset, PRESETS);
  const { frames, steps } = limits.presets[preset];
  const settings: Settings = {
    prompt: '',
    frames,
    steps,
    motion: 0.5,
    camera: '',
    loop: false,
    seed: 0,
    fps: 24,
    precision: 'auto',
    ...given,
    preset,
  };
  oneOf('precision', settings.precision, PRECISIONS);
  if (settings.weights !== undefined) oneOf('weights', settings.weights, WEIGHTS_CHOICES);
  for (const name of ['frames', 'steps', 'seed'] as const) within(name, settings[name], true);
  for (const name of ['fps', 'motion'] as const) within(name, settings[name], false);
  for (const name of ['guidance', 'shift', 'rate', 'eta', 'imageGuidance'] as const) {
    if (settings[name] !== undefined) within(name, settings[name], false);
  }
  for (const text of [settings.prompt, settings.negativePrompt ?? '']) {
    if (text.length <= limits.promptLength) continue;
    throw new EngineError(
      'settings/prompt',
      `prompt — got ${text.length} characters, needs ≤ ${limits.promptLength} — shorten it`,
      { have: text.length, need: limits.promptLength },
    );
  }
  if (settings.size) checkSize(settings.size);
  return settings;
}

/** Returns the size of the video for a picture that is shown at `picture` (upright): sides are multiples of `multiple`, the longer one about `longSide`. */
export function outputSize(
  picture: Size,
  { size, preset }: Settings,
  multiple = ROUND_MULTIPLE,
  longSide: number = limits.presets[preset].longSide,
): Size {
  if (size) return size;
  const [smallest] = limits.side as [number, number];
  const enlarge = Math.max(1, smallest / Math.min(picture.width, picture.height));
  const shown = { width: picture.width * enlarge, height: picture.height * enlarge };
  const fitted = sizeWithLongSide(shown, longSide, multiple);
  return {
    width: Math.max(smallest, fitted.width),
    height: Math.max(smallest, fitted.height),
  };
}

function oneOf(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new EngineError(
    `settings/${name}`,
    `${name} — got "${value}", needs one of ${known.join(', ')} — change it`,
    { have: value },
  );
}

function within(name: NumberName, value: number, whole: boolean) {
  const [low, high] = limits[name] as [number, number];
  if (value >= low && value <= high && (!whole || Number.isInteger(value))) return;
  const kind = whole ? 'a whole number ' : '';
  throw new EngineError(
    `settings/${name}`,
    `${name} — got ${value}, needs ${kind}from ${low} to ${high} — change it`,
    { have: value },
  );
}

function checkSize({ width, height }: Size): void {
  const [low, high] = limits.side as [number, number];
  const fits = (side: number): boolean =>
    Number.isInteger(side) && side >= low && side <= high && side % SIDE_MULTIPLE === 0;
  if (fits(width) && fits(height)) return;
  throw new EngineError(
    'settings/size',
    `size — got ${width}x${height}, needs sides from ${low} to ${high}, multiples of ${SIDE_MULTIPLE} — change it`,
  );
}
