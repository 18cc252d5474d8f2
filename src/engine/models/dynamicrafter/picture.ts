/** How DynamiCrafter's CLIP sees a picture: squeezed to a square. */
import { clipSqueeze } from '../../image/clip-squeeze.ts';
import type { Raster } from '../../image/resize.ts';
import { CLIP_DEVIATION, CLIP_MEAN } from '../wan/clip-vision.ts';

/** Returns `picture` (−1 … 1, any shape) as CLIP's normalised square [side, side, 3]. */
export function clipPicture(picture: Raster, side: number): Raster {
  const square = clipSqueeze(picture, side);
  const data = square.data.map(
    (value, i) => ((value + 1) / 2 - (CLIP_MEAN[i % 3] ?? 0)) / (CLIP_DEVIATION[i % 3] ?? 1),
  );
  return { ...square, data };
}
