/**
 * Whether a video fits on a card, and what to ask for instead when it does not: settings are tried from what was asked
 * down to the smallest, each against a forecast of its memory.
 */
import type { Capabilities } from '../../gpu/device.ts';
import type { Precision } from '../../graph/graph.ts';
import type { WeightsChoice } from '../../weights/policy.ts';
import type { Forecast, WanFootprint, WanParts } from './forecast.ts';
import { forecastWan } from './forecast.ts';
import { DEFAULT_TILING } from './vae.ts';

/** What can be given up for memory, in the order in which it is. */
export type WanChoice = {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Storage of the weight matrices; undefined = that of the precision. */
  readonly weights: WeightsChoice | undefined;
  /** Whether the autoencoder works in tiles: less memory, two thirds more work. */
  readonly tiled: boolean;
  /** Whether weights are read block by block in each step: room for two blocks instead of all, and all read each time. */
  readonly stream: boolean;
};

/** Whether a choice fits, and why. */
export type WanFit = {
  readonly choice: WanChoice;
  readonly forecast: Forecast;
  readonly fits: boolean;
  /** Bytes that the card has to have in all, the browser's own among them. */
  readonly needBytes: number;
};

/** Memory of the card that the browser, the desktop and other tabs keep to themselves. */
export const RESERVED_BYTES = 1.5 * 2 ** 30;

/** Sizes to fall back to, by their longer and shorter side; both are multiples of 32. */
const SIZES: readonly (readonly [long: number, short: number])[] = [
  [1280, 704],
  [832, 480],
  [640, 352],
  [512, 288],
];
const FRAMES: readonly number[] = [121, 81, 49, 25];

/**
 * Returns `asked` and what comes below it: fewer bits first, then tiles, then weights that are streamed, with as few bits as
 * there are, then fewer frames, then a smaller picture.
 */
export function* choicesBelow(asked: WanChoice): Generator<WanChoice, void, void> {
  const weights = [asked.weights, ...BITS_BELOW[asked.weights ?? '']];
  const frameCounts = [asked.frames, ...FRAMES.filter((frames) => frames < asked.frames)];
  for (const { width, height } of sizesBelow(asked)) {
    for (const frames of frameCounts) {
      for (const stream of asked.stream ? [true] : [false, true]) {
        for (const tiled of asked.tiled ? [true] : [false, true]) {
          const stored = stream && !asked.stream ? weights.slice(-1) : weights;
          for (const each of stored) yield { width, height, frames, weights: each, tiled, stream };
        }
      }
    }
  }
}

/** With fewer bits, or with none for activations. */
const BITS_BELOW: Readonly<Record<WeightsChoice | '', readonly WeightsChoice[]>> = {
  '': ['int8', 'int4'],
  w8a8: ['int8', 'int4'],
  int8: ['int4'],
  int4: [],
};

function sizesBelow({ width, height }: WanChoice): readonly { width: number; height: number }[] {
  const upright = height > width;
  const smaller = SIZES.filter(([long, short]) => long * short < width * height).map(
    ([long, short]) => (upright ? { width: short, height: long } : { width: long, height: short }),
  );
  return [{ width, height }, ...smaller];
}

/** What is to fit: the model, what is asked of it but for the choices, and on what device. */
export type FitRequest = {
  readonly parts: WanParts;
  readonly footprint: Omit<WanFootprint, keyof WanChoice | 'vae'>;
  readonly precision: Precision;
  readonly caps: Capabilities;
};

/** Resolves to whether `choice` fits on a card of `cardBytes`. Throws what `forecastWan` throws. */
export async function fitWan(
  { parts, footprint, precision, caps }: FitRequest,
  choice: WanChoice,
  cardBytes: number,
): Promise<WanFit> {
  const { width, height, frames, weights, tiled, stream } = choice;
  const vae = tiled ? { vae: { tiling: DEFAULT_TILING } } : {};
  const asked = { ...footprint, width, height, frames, weights, stream, ...vae };
  const forecast = await forecastWan(parts, asked, precision, caps);
  const needBytes = forecast.peakBytes + RESERVED_BYTES;
  return { choice, forecast, needBytes, fits: needBytes <= cardBytes };
}

/**
 * Resolves to the first choice from `asked` down that fits; undefined when even the smallest does not. Choices that are no
 * smaller than one that was too large are passed over without a forecast.
 */
export async function bestFit(
  request: FitRequest,
  asked: WanChoice,
  cardBytes: number,
): Promise<WanFit | undefined> {
  const all = [...choicesBelow(asked)];
  const smallest = await fitWan(request, all.at(-1) ?? asked, cardBytes);
  if (!smallest.fits) return undefined;
  const tooLarge: WanChoice[] = [];
  for (const choice of all.slice(0, -1)) {
    if (tooLarge.some((other) => takesAsMuch(choice, other))) continue;
    const fit = await fitWan(request, choice, cardBytes);
    if (fit.fits) return fit;
    const { stages, peakBytes } = fit.forecast;
    const fullest = stages.find((stage) => stage.peakBytes === peakBytes)?.stage;
    // Neither tiles nor frames mend what the text encoder's weights alone take.
    tooLarge.push(
      fullest === 'text' ? { ...choice, width: 0, height: 0, frames: 0, tiled: true } : choice,
    );
  }
  return smallest;
}

/** Of a weight; those of activations count as half a bit more. */
const BITS: Readonly<Record<WeightsChoice, number>> = { w8a8: 8.5, int8: 8, int4: 4 };
const bitsOf = ({ weights }: WanChoice): number => (weights ? BITS[weights] : 16);

/** Whether `choice` is no smaller than `other` in any respect, and so taken to need as much memory. */
const takesAsMuch = (choice: WanChoice, other: WanChoice): boolean =>
  bitsOf(choice) >= bitsOf(other) &&
  choice.width * choice.height >= other.width * other.height &&
  choice.frames >= other.frames &&
  (other.tiled || !choice.tiled) &&
  (other.stream || !choice.stream);
