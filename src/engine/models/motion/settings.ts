/** What a caller may ask of the built-in model, with its defaults and bounds. */
import { EngineError } from '../../gpu/errors.ts';
import type { Size } from '../../image/fit.ts';
import type { CameraMove } from './camera.ts';

/** Kinds of motion to ask for, 0 or 1 each, or `auto`: the model decides from the picture. */
export type Ambient =
  'auto' | { readonly sway: number; readonly water: number; readonly clouds: number };

export type MotionSettings = {
  /** 0 = nothing moves, 1 = strong. Scales the camera too. */
  readonly motion: number;
  /** Moves that happen together; an empty list lets the camera stand, `free` lets the model choose. */
  readonly camera: readonly CameraMove[] | 'free';
  readonly ambient: Ambient;
  readonly frames: number;
  readonly fps: number;
  /** Whether the frame after the last is the first again. */
  readonly loop: boolean;
  /** Whole number from 0 to 2^53 − 1. */
  readonly seed: number;
  /** Model evaluations; absent = what the weights were made for. */
  readonly steps?: number | undefined;
  /** Length of the output's longer side in pixels; the other follows from the picture. */
  readonly longSide: number;
};

export const DEFAULT_SETTINGS: MotionSettings = {
  motion: 0.5,
  camera: [{ move: 'push-in' }],
  ambient: 'auto',
  frames: 49,
  fps: 24,
  loop: false,
  seed: 0,
  longSide: 768,
};

type Bound = {
  readonly low: number;
  readonly high: number;
  readonly whole: boolean;
  readonly what: string;
};

const BOUNDS: Readonly<Record<string, Bound>> = {
  motion: { low: 0, high: 1, whole: false, what: 'motion strength' },
  frames: { low: 2, high: 241, whole: true, what: 'number of frames' },
  fps: { low: 1, high: 60, whole: false, what: 'frames a second' },
  seed: { low: 0, high: Number.MAX_SAFE_INTEGER, whole: true, what: 'seed' },
  steps: { low: 1, high: 50, whole: true, what: 'number of steps' },
  longSide: { low: 64, high: 1280, whole: true, what: 'long side in pixels' },
};

/** Returns all settings, defaults filled in. Throws `settings/range` for a number out of bounds. */
export function completeSettings(given: Partial<MotionSettings>): MotionSettings {
  const settings = { ...DEFAULT_SETTINGS, ...given };
  for (const [name, { low, high, whole, what }] of Object.entries(BOUNDS)) {
    const value = settings[name as keyof MotionSettings];
    if (value === undefined) continue;
    const fits = typeof value === 'number' && value >= low && value <= high;
    if (!fits || (whole && !Number.isInteger(value))) {
      throw new EngineError(
        'settings/range',
        `${what} — got ${String(value)}, needs ${whole ? 'a whole number' : 'a number'} from ${low} to ${high} — change the setting`,
        { stage: 'motion/settings', have: String(value) },
      );
    }
  }
  return settings;
}

/** Most that one side may exceed the other. */
const MAX_ASPECT = 4;

/**
 * Returns the output size for a picture: its aspect, the long side as asked, both sides even.
 * Throws `image/size` for an empty picture or one that is more than four times as long as wide.
 */
export function outputSize(picture: Size, longSide: number): Size {
  const { width, height } = picture;
  const long = Math.max(width, height);
  const short = Math.min(width, height);
  if (!(short >= 1) || long > MAX_ASPECT * short) {
    throw new EngineError(
      'image/size',
      `picture — got ${width} × ${height}, needs sides that differ at most ${MAX_ASPECT} times — crop it`,
      { stage: 'motion/picture', have: `${width} × ${height}` },
    );
  }
  const even = (side: number): number => 2 * Math.max(1, Math.round(side / 2));
  const scale = longSide / long;
  return { width: even(width * scale), height: even(height * scale) };
}
