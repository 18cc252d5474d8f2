/** A picture made to cover a size and cut to its middle, in 8 bits: bit by bit as I2VGen-XL does it. */
import type { Raster } from './resize.ts';
import { resizeBytes } from './resize.ts';

type Size = { readonly width: number; readonly height: number };

/** Python's a // b of floats: the quotient is rounded before it is cut, so it can come out one too small. */
function floorDivide(a: number, b: number): number {
  const quotient = (a - (a % b)) / b;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

/** Returns the middle of `raster` at the given size; black where the picture does not reach. */
export function centreCrop(
  { width, height, channels, data }: Raster<Uint8ClampedArray>,
  to: Size,
): Raster<Uint8ClampedArray> {
  const left = Math.floor((width - to.width) / 2);
  const top = Math.floor((height - to.height) / 2);
  const cut = new Uint8ClampedArray(to.width * to.height * channels);
  const [first, end] = [Math.max(0, -left), Math.min(to.width, width - left)];
  for (let y = Math.max(0, -top); y < Math.min(to.height, height - top); y++) {
    const from = (y + top) * width + left;
    cut.set(
      data.subarray((from + first) * channels, (from + end) * channels),
      (y * to.width + first) * channels,
    );
  }
  return { width: to.width, height: to.height, channels, data: cut };
}

/**
 * Returns `raster` scaled to cover the size, then its middle. I2VGen-XL's own division loses a pixel at about two sizes
 * in five, which leaves a black line at the left or top; `exact` keeps that.
 */
export function coverCrop(
  raster: Raster<Uint8ClampedArray>,
  to: Size,
  { exact = false }: { readonly exact?: boolean } = {},
): Raster<Uint8ClampedArray> {
  const scale = Math.min(raster.width / to.width, raster.height / to.height);
  const side = (length: number, least: number): number =>
    Math.max(exact ? 1 : least, floorDivide(length, scale));
  const size = { width: side(raster.width, to.width), height: side(raster.height, to.height) };
  return centreCrop(resizeBytes(raster, size, 'box'), to);
}
