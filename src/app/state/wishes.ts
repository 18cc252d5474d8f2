/** What the person asks for, apart from the picture: remembered on this machine, checked when it is read back. */
import { effect, signal } from '@preact/signals';
import { PRESETS, resolveSettings } from '../../engine/index.ts';
import type { Preset, Settings } from '../../engine/index.ts';
import { recall, remember } from './remembered.ts';

/** Width to height of the video; `picture` = as the picture is. */
export const SHAPES = ['picture', '16:9', '4:3', '1:1', '3:4', '9:16'] as const;
export type Shape = (typeof SHAPES)[number];

/** Numbers that the presets and the model set unless the person does. */
const OVERRIDES = ['frames', 'steps', 'fps', 'guidance', 'shift'] as const;
export type Override = (typeof OVERRIDES)[number];

export type Wishes = {
  readonly prompt: string;
  readonly preset: Preset;
  readonly motion: number;
  readonly camera: string;
  readonly loop: boolean;
  /** The first frame is the picture itself. */
  readonly pinFirst: boolean;
  readonly seed: number;
  readonly shape: Shape;
  readonly negativePrompt: string;
  readonly precision: Settings['precision'];
  readonly weights: NonNullable<Settings['weights']> | 'whole';
  readonly overrides: Partial<Record<Override, number>>;
};

const DEFAULTS: Wishes = {
  prompt: '',
  preset: 'standard',
  motion: 0.5,
  camera: '',
  loop: false,
  pinFirst: false,
  seed: 0,
  shape: 'picture',
  negativePrompt: '',
  precision: 'auto',
  weights: 'whole',
  overrides: {},
};

/** The wishes as they stand. */
export const wishes = signal<Wishes>(remembered());

effect(() => remember('wishes', JSON.stringify(wishes.value)));

/** Changes some of the wishes. */
export function wish(change: Partial<Wishes>): void {
  wishes.value = { ...wishes.value, ...change };
}

/** Sets one of the numbers, or leaves it to preset and model. */
export function override(name: Override, value: number | undefined): void {
  const { [name]: _, ...others } = wishes.value.overrides;
  wish({ overrides: value === undefined ? others : { ...others, [name]: value } });
}

/** Forgets all wishes. */
export function resetWishes(): void {
  wishes.value = DEFAULTS;
}

/** Returns a seed at random. */
export const anySeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

/** Returns the settings of a run as wished; `shape` is left to who knows the picture. */
export function settingsOf(wanted: Wishes): Partial<Settings> {
  const { prompt, preset, motion, camera, loop, seed, negativePrompt, precision, weights } = wanted;
  return {
    ...{ prompt, preset, motion, camera, loop, seed, precision },
    ...(negativePrompt !== '' && { negativePrompt }),
    ...(weights !== 'whole' && { weights }),
    ...(wanted.pinFirst && { pinFirst: true }),
    ...wanted.overrides,
  };
}

/** Returns settings for another preset: the numbers that a preset sets stay as the person set them, if at all. */
export const presetSettings = (settings: Partial<Settings>, preset: Preset): Partial<Settings> => ({
  ...settings,
  preset,
});

/** Takes settings over, such as those found inside a video. */
export function adoptSettings(settings: Partial<Settings>): void {
  const { prompt, preset, motion, camera, loop, seed, negativePrompt, precision } = settings;
  const given = Object.fromEntries(
    Object.entries({
      prompt,
      preset,
      motion,
      camera,
      loop,
      seed,
      negativePrompt,
      precision,
    }).filter(([, value]) => value !== undefined),
  );
  const overrides = Object.fromEntries(
    OVERRIDES.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]),
  );
  const { weights = 'whole', pinFirst = false } = settings;
  wishes.value = { ...DEFAULTS, ...given, overrides, weights, pinFirst };
}

/** What was remembered, as far as it still makes sense. */
function remembered(): Wishes {
  let kept: unknown;
  try {
    kept = JSON.parse(recall('wishes') ?? '{}');
  } catch {
    return DEFAULTS;
  }
  if (typeof kept !== 'object' || kept === null) return DEFAULTS;
  const sane = Object.entries(DEFAULTS).map(([name, usual]) => {
    const value = (kept as Record<string, unknown>)[name];
    return [name, typeof value === typeof usual ? value : usual];
  });
  const read = Object.fromEntries(sane) as Wishes;
  if (!SHAPES.includes(read.shape) || !PRESETS.includes(read.preset)) return DEFAULTS;
  try {
    resolveSettings(settingsOf(read));
  } catch {
    // Limits differ between releases: what no longer fits is not forced on the person.
    return DEFAULTS;
  }
  return read;
}
