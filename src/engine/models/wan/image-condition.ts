/** How a picture enters the models with 36 input channels: a mask of known frames beside the encoded picture. */
import type { LatentSize } from './pipeline-request.ts';

/** Mask channels: one for each frame that a latent frame stands for. */
export const MASK_CHANNELS = 4;

/**
 * Returns the condition [F, h, w, 4 + C]: the mask, then the latent [F, h, w, C] of the video that shows the known
 * frames and is grey elsewhere. The mask is 1 where a frame is known: all of latent frame 0, which is one frame, and
 * the last of four in the last latent frame when `lastKnown`.
 */
export function imageCondition(
  latent: Float32Array,
  { F, h, w, C }: LatentSize,
  lastKnown = false,
): Float32Array {
  const width = MASK_CHANNELS + C;
  const condition = new Float32Array(F * h * w * width);
  for (let i = 0; i < F * h * w; i++) {
    if (i < h * w) condition.fill(1, i * width, i * width + MASK_CHANNELS);
    else if (lastKnown && i >= (F - 1) * h * w) condition[i * width + MASK_CHANNELS - 1] = 1;
    condition.set(latent.subarray(i * C, (i + 1) * C), i * width + MASK_CHANNELS);
  }
  return condition;
}

/** Returns the RGB values of a picture, 0..1, as a frame in −1..1. */
export const toSigned = (rgb: ArrayLike<number>): Float32Array =>
  Float32Array.from(rgb, (value) => 2 * value - 1);
