/** What a picture adds to the transformer's input, by the kind of model. */
import { EngineError } from '../../gpu/errors.ts';
import type { DeviceTensor } from '../../gpu/tensor.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { ComponentSource } from './components.ts';
import type { WanConfig } from './config.ts';
import { encodePictures } from './encode.ts';
import type { Conditions } from './expert.ts';
import { MASK_CHANNELS, imageCondition, toSigned } from './image-condition.ts';
import type { LatentSize, PlacedPicture, WanRequest } from './pipeline-request.ts';
import { signedOnDevice } from './placed-picture.ts';
import { checkImage } from './pipeline-request.ts';
import { readVaeConfig } from './vae-config.ts';
import { renameVae } from './vae-names.ts';
import type { VaeOptions } from './vae.ts';
import { WanVae } from './vae.ts';

export type PictureConditions = Omit<Conditions, 'prompt' | 'negativePrompt'>;

/** Latent channels of the one model that takes a clean first frame, and text alone as well. */
const FIRST_FRAME_CHANNELS = 48;

/**
 * Resolves to the conditions that the request's pictures make; none for text alone. Throws `wan/image` when the model
 * needs a picture that is not there or has no use for one that is, `weights/config` when transformer and autoencoder
 * are not of one model.
 */
export async function pictureConditions(
  engine: Engine,
  source: ComponentSource,
  config: WanConfig,
  request: WanRequest,
  size: LatentSize,
  options: RunOptions,
): Promise<PictureConditions> {
  const { inChannels } = config;
  if (inChannels === 2 * size.C + MASK_CHANNELS) {
    return maskedConditions(engine, source, config, request, size, options);
  }
  if (inChannels !== size.C) {
    throw new EngineError(
      'weights/config',
      `transformer — got ${inChannels} input channels, needs ${size.C} or ${2 * size.C + MASK_CHANNELS} — use parts of one model`,
      { have: inChannels, need: size.C },
    );
  }
  if (!request.image) return {};
  if (size.C !== FIRST_FRAME_CHANNELS || request.lastImage) {
    throw new EngineError(
      'wan/image',
      'picture — got one that this model has no use for — leave it out or choose another model',
    );
  }
  const firstFrame = await encodeFrames(
    engine,
    source,
    request,
    1,
    new Map([[0, checkImage(request.image, request)]]),
    options,
  );
  return { firstFrame };
}

/** The models with a mask read a video of the known frames, grey elsewhere; those of 2.1 see them through CLIP too. */
async function maskedConditions(
  engine: Engine,
  source: ComponentSource,
  config: WanConfig,
  request: WanRequest,
  size: LatentSize,
  options: RunOptions,
): Promise<PictureConditions> {
  const twoSeen = config.imagePositions !== undefined;
  const first = checkImage(request.image, request);
  const last = twoSeen || request.lastImage ? checkImage(request.lastImage, request) : undefined;
  const seen = last && twoSeen ? [first, last] : [first];
  const { clipImages = seen } = request;
  const imageTokens =
    config.imageDim === undefined
      ? undefined
      : await encodePictures(engine, source, clipImages, clipImages !== seen, options);
  const known = new Map([...(last ? [[request.frames - 1, last] as const] : []), [0, first]]);
  const latent = await encodeFrames(engine, source, request, request.frames, known, options);
  const channels = imageCondition(latent, size, last !== undefined);
  return { channels, ...(imageTokens && { imageTokens }) };
}

/** The normalised latents of `count` frames of which the known ones, by number, are in 0..1 and the rest mid-grey. */
async function encodeFrames(
  engine: Engine,
  source: ComponentSource,
  { width, height, vae: way }: WanRequest,
  count: number,
  pictures: ReadonlyMap<number, PlacedPicture>,
  options: RunOptions,
): Promise<Float32Array> {
  const known = new Map<number, Float32Array | DeviceTensor>();
  const placed = new Map<number, DeviceTensor>();
  for (const [i, { onDevice, data }] of pictures) {
    if (onDevice) placed.set(i, onDevice);
    else known.set(i, toSigned(data));
  }
  const signed = await signedOnDevice(engine, placed, options);
  for (const [i, frame] of signed.frames) known.set(i, frame);
  const vae = await openVae(engine, source, way);
  try {
    return (await vae.encode({ shape: [count, height, width, 3], known }, options)).values;
  } finally {
    vae.destroy();
    signed.destroy();
  }
}

/** Opens the autoencoder; its weights reach the device when it is first used. */
export async function openVae(
  engine: Engine,
  source: ComponentSource,
  options?: VaeOptions,
): Promise<WanVae> {
  const config = readVaeConfig(await source.config('vae'));
  return new WanVae(engine, await source.weights('vae', renameVae(config)), config, options);
}
