/** What is asked of a Wan pipeline, and what it refuses at the border. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import type { Raster } from '../../image/resize.ts';
import type { SamplerKind, SamplerVariant } from '../../sampling/sampler.ts';
import { refusal, refuse } from '../refuse.ts';
import type { VaeOptions } from './vae.ts';

/** A picture whose values may lie on the device as well. */
export type PlacedPicture = Raster & {
  /** The same values in f32, [1, height, width, channels]: where it is there, it is used and `data` only shown. */
  readonly onDevice?: DeviceTensor;
};

export type WanRequest = {
  /** Token numbers of the prompt, with the end token and without padding. */
  readonly prompt: readonly number[];
  /** The same of what the video should not be; nothing but the end token where left out. */
  readonly negativePrompt?: readonly number[];
  /** RGB in 0..1 at exactly width × height: the first frame. Needed by the models that start from a picture. */
  readonly image?: PlacedPicture;
  /** Likewise the last frame. Needed by the models that go from one picture to another. */
  readonly lastImage?: Raster;
  /** The pictures as CLIP sees them, normalised, where the caller prepares them; else they are made from the above. */
  readonly clipImages?: readonly Raster[];
  readonly width: number;
  readonly height: number;
  /** 4n + 1. */
  readonly frames: number;
  readonly steps: number;
  /** Pushes the noise levels up; 3 for small pictures, 5 for large ones. */
  readonly shift: number;
  readonly solver?: {
    readonly kind: SamplerKind;
    readonly variant: SamplerVariant;
    /** What a distilled network is told, one a step; see `ScheduleOptions`. */
    readonly timesteps?: readonly number[] | undefined;
  };
  /** Scale of the prompt's pull; 1 or less runs the network once a step instead of twice. */
  readonly guidance: number;
  /** The same for the second expert of models that have two; `guidance` where it is left out. */
  readonly guidance2?: number;
  /** Share of the noise range at and above which the first of two experts runs; the model's own where left out. */
  readonly boundary?: number;
  /** How the autoencoder goes about it: in tiles, how many frames at a time. */
  readonly vae?: VaeOptions;
  readonly seed?: number;
  /** Noise [F, h, w, C] to start from, instead of the seed's. */
  readonly noise?: Float32Array;
};

/** An empty prompt: UMT5's end token. */
export const END_ALONE: readonly number[] = [1];

/** Sizes of the latent that a request stands for. */
export type LatentSize = {
  readonly F: number;
  readonly h: number;
  readonly w: number;
  readonly C: number;
};

export type LatentScale = {
  /** Frames and pixels that one latent frame and pixel stand for. */
  readonly time: number;
  readonly space: number;
  readonly channels: number;
  /** Latent pixels along a side of a patch. */
  readonly patch: number;
};

/**
 * Returns the size of the latent. Throws `wan/size`, `wan/frames`, `wan/steps`, `wan/prompt`, `wan/guidance`,
 * `wan/boundary`, `wan/noise` for a request that no Wan model can serve.
 */
export function checkRequest(request: WanRequest, scale: LatentScale): LatentSize {
  const { width, height, frames, steps, prompt, negativePrompt, guidance, guidance2, boundary } =
    request;
  const side = scale.space * scale.patch;
  const whole = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;
  refuse(
    !whole(width) || !whole(height) || width % side !== 0 || height % side !== 0,
    'wan/size',
    'size',
    `${width} × ${height}`,
    `multiples of ${side}`,
  );
  refuse(
    !whole(frames) || (frames - 1) % scale.time !== 0,
    'wan/frames',
    'frame count',
    frames,
    `a multiple of ${scale.time} plus 1`,
  );
  refuse(!whole(steps), 'wan/steps', 'steps', steps, 'a whole number from 1');
  refuse(
    !(guidance >= 0) || !((guidance2 ?? guidance) >= 0),
    'wan/guidance',
    'guidance',
    `${guidance}, ${guidance2}`,
    'numbers from 0',
  );
  refuse(
    boundary !== undefined && !(boundary >= 0 && boundary <= 1),
    'wan/boundary',
    'boundary',
    String(boundary),
    '0 to 1',
  );
  for (const ids of [prompt, negativePrompt ?? END_ALONE]) {
    refuse(
      ids.length === 0 || !ids.every((id) => Number.isSafeInteger(id) && id >= 0),
      'wan/prompt',
      'prompt',
      `${ids.length} tokens`,
      'at least the end token, whole numbers',
    );
  }
  const latent = {
    F: 1 + (frames - 1) / scale.time,
    h: height / scale.space,
    w: width / scale.space,
    C: scale.channels,
  };
  const values = latent.F * latent.h * latent.w * latent.C;
  refuse(
    request.noise !== undefined && request.noise.length !== values,
    'wan/noise',
    'noise',
    request.noise?.length ?? 0,
    `${values} values`,
  );
  return latent;
}

/** Throws `wan/image` unless `image` is there, RGB, and of the request's size. */
export function checkImage(
  image: PlacedPicture | undefined,
  { width, height }: WanRequest,
): PlacedPicture {
  const fits = image?.width === width && image.height === height && image.channels === 3;
  const have = image ? `${image.width} × ${image.height} × ${image.channels}` : 'none';
  if (!image || !fits) throw refusal('wan/image', 'picture', have, `${width} × ${height} × 3`);
  return image;
}
