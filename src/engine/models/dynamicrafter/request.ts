/** What a DynamiCrafter run is asked for, and the channels that its pictures become. */
import { EngineError } from '../../gpu/errors.ts';
import type { Raster } from '../../image/resize.ts';
import type { Seen } from './see.ts';

/** A picture comes to life; two pictures are joined; a picture returns to itself. */
export type DynamiCrafterMode = 'video' | 'interpolation' | 'loop';

export type DynamiCrafterRequest = {
  readonly mode?: DynamiCrafterMode;
  /** Tokens with start and end, padded with zeros to 77. */
  readonly prompt: ArrayLike<number>;
  /** Pictures of the clip's size, −1 … 1; `lastImage` for interpolation. */
  readonly image: Raster;
  readonly lastImage?: Raster;
  /** What CLIP is shown instead of `image`: the picture before it was cut. */
  readonly clipImage?: Raster;
  /** Frame stride or frames a second, as the model takes it; its own usual value if left out. */
  readonly rate?: number;
  readonly steps?: number;
  readonly guidance?: number;
  /** Pull of the picture apart from the prompt's: a third network call a step. */
  readonly imageGuidance?: number;
  readonly rescale?: number;
  readonly eta?: number;
  readonly seed?: number;
  /** Noises [F, h, w, C] of the start and of each step, [pictures, h, w, C] of the latents, instead of the seed's. */
  readonly noise?: Float32Array;
  readonly stepNoise?: readonly Float32Array[];
  readonly latentNoise?: readonly Float32Array[];
  /** Rows of CLIP's towers that are known already. */
  readonly seen?: Seen;
};

/** Returns the pictures to encode. Throws `clip/size` and `clip/image` for what no released model can make. */
export function picturesOf(
  { mode, image, lastImage }: DynamiCrafterRequest,
  side: number,
): Raster[] {
  if (mode === 'interpolation' && !lastImage) {
    throw new EngineError(
      'clip/image',
      'interpolation — got one picture, needs two — add the last',
    );
  }
  if (mode !== 'interpolation' && lastImage) {
    throw new EngineError('clip/image', `${mode ?? 'video'} — got two pictures, needs one`);
  }
  const pictures = lastImage ? [image, lastImage] : [image];
  for (const { width, height } of pictures) {
    const whole = width % side === 0 && height % side === 0 && width > 0 && height > 0;
    if (whole && width === image.width && height === image.height) continue;
    throw new EngineError(
      'clip/size',
      `picture of ${width} × ${height} — needs sides that are multiples of ${side}, all pictures alike — cut it`,
      { need: side },
    );
  }
  return pictures;
}

/**
 * Returns the channels [F, h, w, C] beside the noisy latent: the picture's latent in every frame, or those of the ends
 * in the first and the last frame and zeros between.
 */
export function conditionChannels(
  mode: DynamiCrafterMode,
  latents: readonly Float32Array[],
  frames: number,
): Float32Array {
  const [first = new Float32Array(), last = first] = latents;
  const all = new Float32Array(frames * first.length);
  all.set(first);
  if (mode === 'video') {
    for (let k = 1; k < frames; k++) all.set(first, k * first.length);
  } else all.set(last, (frames - 1) * first.length);
  return all;
}
