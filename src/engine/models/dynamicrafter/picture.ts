/** How DynamiCrafter sees a picture: cut to the video's shape for the autoencoder, squeezed to a square for CLIP. */
import { clipSqueeze } from '../../image/clip-squeeze.ts';
import { coverCrop } from '../../image/cover-crop.ts';
import type { Raster } from '../../image/resize.ts';
import { CLIP_DEVIATION, CLIP_MEAN } from '../wan/clip-vision.ts';

/** Returns `picture` (8 bits) as values −1 … 1 [height, width, 3], cut so that it fills the frame. */
export function cutPicture(
  picture: Raster<Uint8ClampedArray>,
  size: { readonly width: number; readonly height: number },
): Raster {
  const cut = coverCrop(picture, size, { filter: 'bilinear-antialiased' });
  return { ...cut, data: Float32Array.from(cut.data, (value) => (value / 255) * 2 - 1) };
}

/** Returns `picture` (−1 … 1, any shape) as CLIP's normalised square [side, side, 3]. */
export function clipPicture(picture: Raster, side: number): Raster {
  const square = clipSqueeze(picture, side);
  const data = square.data.map(
    (value, i) => ((value + 1) / 2 - (CLIP_MEAN[i % 3] ?? 0)) / (CLIP_DEVIATION[i % 3] ?? 1),
  );
  return { ...square, data };
}
