/**
 * How a picture comes to a model's working size: which size that is, and the one matrix that turns the picture
 * upright, scales it to cover the size and crops the rest. Coordinates are continuous pixels, (0, 0) the top left
 * corner of the top left pixel, whose centre is (½, ½); matrices are gl-matrix `mat3` acting on (x, y, 1).
 */
import { mat3 } from 'gl-matrix';
import { EngineError } from '../gpu/errors.ts';
import type { Orientation } from './exif.ts';

export type Size = { readonly width: number; readonly height: number };

/** What `coverFit` needs of a picture: `PictureHeader` fits. */
export type StoredPicture = Size & { readonly orientation: Orientation };

/** Orientations that swap the sides. */
const lies = (orientation: Orientation): boolean => orientation >= 5;

/** Returns the size of the picture as it is shown, turned upright. */
export const uprightSize = ({ width, height, orientation }: StoredPicture): Size =>
  lies(orientation) ? { width: height, height: width } : { width, height };

/** Rows of the 2 × 2 part that takes stored offsets from the centre to upright ones: x' = a·x + b·y, y' = c·x + d·y. */
const TURNS: Record<Orientation, readonly [a: number, b: number, c: number, d: number]> = {
  1: [1, 0, 0, 1],
  2: [-1, 0, 0, 1],
  3: [-1, 0, 0, -1],
  4: [1, 0, 0, -1],
  5: [0, 1, 1, 0],
  6: [0, -1, 1, 0],
  7: [0, -1, -1, 0],
  8: [0, 1, -1, 0],
};

/** Returns the matrix from stored to upright pixel coordinates. */
export function uprightMatrix(picture: StoredPicture): mat3 {
  const [a, b, c, d] = TURNS[picture.orientation];
  const upright = uprightSize(picture);
  const toCentre = mat3.fromTranslation(mat3.create(), [-picture.width / 2, -picture.height / 2]);
  const turn = mat3.fromValues(a, c, 0, b, d, 0, 0, 0, 1); // gl-matrix stores columns
  const fromCentre = mat3.fromTranslation(mat3.create(), [upright.width / 2, upright.height / 2]);
  return mat3.multiply(fromCentre, fromCentre, mat3.multiply(turn, turn, toCentre));
}

export type Fit = {
  readonly size: Size;
  /** From stored picture coordinates to working ones, and back. */
  readonly toWorking: mat3;
  readonly toStored: mat3;
  /** The part of the upright picture that is seen, in its pixels. */
  readonly crop: Size & { readonly x: number; readonly y: number };
};

/**
 * Returns how `picture` covers `size`: scaled evenly, what hangs over cropped. `focus` says where the crop sits,
 * 0 at the left or top, 1 at the right or bottom. Throws `image/size` for an empty size.
 */
export function coverFit(
  picture: StoredPicture,
  size: Size,
  focus: { readonly x: number; readonly y: number } = { x: 0.5, y: 0.5 },
): Fit {
  checkSize(size);
  const upright = uprightSize(picture);
  const scale = Math.max(size.width / upright.width, size.height / upright.height);
  const [width, height] = [size.width / scale, size.height / scale];
  const x = (upright.width - width) * focus.x;
  const y = (upright.height - height) * focus.y;
  const toWorking = mat3.fromScaling(mat3.create(), [scale, scale]);
  mat3.translate(toWorking, toWorking, [-x, -y]);
  mat3.multiply(toWorking, toWorking, uprightMatrix(picture));
  const toStored = mat3.invert(mat3.create(), toWorking);
  if (!toStored) throw sizeError(picture);
  return { size, toWorking, toStored, crop: { x, y, width, height } };
}

/**
 * Returns the size nearest to the aspect of `shown` (upright) whose sides are multiples of `multiple` and whose
 * long side is at most `longSide`, at least one multiple each. Never larger than needed to keep `shown` whole.
 */
export function sizeWithLongSide(shown: Size, longSide: number, multiple: number): Size {
  checkSize(shown);
  const scale = Math.min(1, longSide / Math.max(shown.width, shown.height));
  const limit = Math.max(1, Math.floor(longSide / multiple));
  const side = (length: number): number =>
    multiple * Math.min(limit, Math.max(1, Math.round((length * scale) / multiple)));
  return { width: side(shown.width), height: side(shown.height) };
}

const sizeError = ({ width, height }: Size): EngineError =>
  new EngineError(
    'image/size',
    `size — got ${width} × ${height}, needs at least 1 × 1 — choose another`,
  );

function checkSize(size: Size): void {
  if (!(size.width >= 1 && size.height >= 1)) throw sizeError(size);
}
