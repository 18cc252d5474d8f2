/** How I2VGen-XL sees a picture: cut to the video's shape for the autoencoder, to a square for CLIP. */
import { coverCrop } from '../../image/cover-crop.ts';
import type { Raster } from '../../image/resize.ts';
import { resizeBytes } from '../../image/resize.ts';
import { CLIP_DEVIATION, CLIP_MEAN } from '../wan/clip-vision.ts';

export type PreparedPicture = {
  /** Values −1 … 1 [height, width, 3]. */
  readonly video: Raster;
  /** Normalised values [side, side, 3]. */
  readonly clip: Raster;
  /** The same in 8 bits, and the square that CLIP's picture is made from. */
  readonly bytes: Readonly<Record<'video' | 'square' | 'clip', Raster<Uint8ClampedArray>>>;
};

export type PictureSize = {
  readonly width: number;
  readonly height: number;
  /** Side of CLIP's square. */
  readonly clipSide: number;
  /** What CLIP is shown instead, e.g. the picture before it was cut. */
  readonly seen?: Raster<Uint8ClampedArray> | undefined;
  /** Whether the pipeline's rounding, which can leave a black line, is kept. */
  readonly exact?: boolean;
};

const mapped = (
  raster: Raster<Uint8ClampedArray>,
  map: (v: number, i: number) => number,
): Raster => ({
  ...raster,
  data: Float32Array.from(raster.data, map),
});

/** Returns `picture` (8 bits, three channels) as both networks take it. Throws `image/size`. */
export function preparePicture(
  picture: Raster<Uint8ClampedArray>,
  { width, height, clipSide, seen = picture, exact = false }: PictureSize,
): PreparedPicture {
  const video = coverCrop(picture, { width, height }, { exact });
  const square = coverCrop(seen, { width, height: width }, { exact });
  const clip = resizeBytes(square, { width: clipSide, height: clipSide }, 'bilinear-antialiased');
  return {
    video: mapped(video, (value) => (value / 255) * 2 - 1),
    clip: mapped(
      clip,
      (value, i) => (value / 255 - (CLIP_MEAN[i % 3] ?? 0)) / (CLIP_DEVIATION[i % 3] ?? 1),
    ),
    bytes: { video, square, clip },
  };
}
