/** The size of an avatar's video: an area is asked for, the picture's own shape decides the rest. */
import { EngineError } from '../../gpu/errors.ts';
import type { Size } from '../../image/fit.ts';
import type { Raster } from '../../image/resize.ts';
import { crop, resizeFloats } from '../../image/resize.ts';

/** Sides are multiples of this: eight latent pixels, the coarsest patch of the past. */
export const SIDE = 64;
const TRIES = 100;
const SMALLEST_SCALE = 0.1;

/**
 * Returns the largest size with sides in multiples of 64 and the shape of `picture` that fits into `area` pixels, as the
 * reference finds it; a picture is never made larger. Throws `avatar/size` when there is none.
 */
export function avatarSize(picture: Size, area: number): Size {
  const { width, height } = picture;
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  const own = width * height;
  const largest = own <= area ? 1 : Math.sqrt(area / own);
  const smallest = own <= area ? SMALLEST_SCALE : scaleThatSurelyFits(picture, area);
  for (let i = 0; whole && i < TRIES; i++) {
    const scale = largest - ((largest - smallest) * i) / TRIES;
    const size = { width: padded(width * scale), height: padded(height * scale) };
    const { width: w, height: h } = size;
    if (w >= SIDE && h >= SIDE && w * h <= area) return size;
  }
  throw new EngineError(
    'avatar/size',
    `picture of ${width} × ${height} — got no size with sides in multiples of ${SIDE} and at most ${area} pixels — use a larger size or crop the picture`,
    { have: `${width} × ${height}`, need: area },
  );
}

const padded = (side: number): number => Math.ceil(Math.trunc(side) / SIDE) * SIDE;

/** The scale at which both sides fit even after they are padded by 63 each. */
function scaleThatSurelyFits({ width, height }: Size, area: number): number {
  const d = SIDE - 1;
  const a = width * height;
  const b = d * (width + height);
  const c = d * d - area;
  return Math.max(0, (-b + Math.sqrt(Math.max(0, b * b - 2 * a * c))) / (2 * a));
}

/** Returns the picture with its short side resized to the shorter of the two, cut or set on black around its middle. */
export function fitPicture(picture: Raster, { width, height }: Size): Raster {
  const scale = Math.min(width, height) / Math.min(picture.width, picture.height);
  const long = (side: number): number => Math.max(1, Math.trunc(side * scale));
  const resized = resizeFloats(
    picture,
    picture.width <= picture.height
      ? { width: Math.min(width, height), height: long(picture.height) }
      : { width: long(picture.width), height: Math.min(width, height) },
    'bilinear-antialiased',
  );
  const margin = (have: number, want: number): number => Math.max(0, Math.round((have - want) / 2));
  const kept = crop(resized, {
    x: margin(resized.width, width),
    y: margin(resized.height, height),
    width: Math.min(width, resized.width),
    height: Math.min(height, resized.height),
  });
  if (kept.width === width && kept.height === height) return kept;
  const { channels } = kept;
  const data = new Float32Array(width * height * channels);
  const [left, top] = [margin(width, kept.width), margin(height, kept.height)];
  for (let y = 0; y < kept.height; y++) {
    const row = kept.data.subarray(y * kept.width * channels, (y + 1) * kept.width * channels);
    data.set(row, ((y + top) * width + left) * channels);
  }
  return { width, height, channels, data };
}
