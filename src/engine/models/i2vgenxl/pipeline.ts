/**
 * I2VGen-XL, from a picture and a prompt to a clip: both CLIP towers, the picture's latent, DDIM with guidance, frames
 * decoded one by one. Each stage frees what the next one does not need. diffusers: pipeline_i2vgen_xl.py.
 */
import { EngineError } from '../../gpu/errors.ts';
import { encodePictures } from '../autoencoder-kl/frames.ts';
import { parseAutoencoderConfig, pixelsPerLatent } from '../autoencoder-kl/config.ts';
import { renameOldAttention } from '../autoencoder-kl/names.ts';
import type { Raster } from '../../image/resize.ts';
import type { Values } from '../../sampling/checkpoint.ts';
import { ddimSampler } from '../../sampling/ddim.ts';
import { normal } from '../../sampling/rng.ts';
import type { Rename } from '../../weights/weight-store.ts';
import { encodePrompts, encodeSeen } from '../openclip/encode.ts';
import { parseTextConfig } from '../openclip/text.ts';
import { parseVisionConfig } from '../openclip/vision.ts';
import type { BuildCondition } from '../unet3d/denoise.ts';
import { denoise } from '../unet3d/denoise.ts';
import { attendance, framesOf } from '../unet3d/finish.ts';
import { renameUnet } from '../unet3d/names.ts';
import type { ClipWeights } from '../unet3d/parts.ts';
import { partOf } from '../unet3d/parts.ts';
import type { ClipPipeline } from '../unet3d/clip-pipeline.ts';
import { reporter } from '../unet3d/clip-pipeline.ts';
import type { Config } from '../config-json.ts';
import { i2vgenConditions } from './conditions.ts';
import { parseI2vgenConfig } from './config.ts';
import { parseDdimConfig } from './ddim-config.ts';
import { preparePicture } from './picture.ts';

/** Folders of the released model. */
export type I2vgenComponent = 'unet' | 'vae' | 'text_encoder' | 'image_encoder' | 'scheduler';

export type I2vgenSource = {
  config(name: I2vgenComponent): Promise<Config>;
  weights(name: I2vgenComponent, rename?: Rename): Promise<ClipWeights>;
};

export type I2vgenRequest = {
  /** Tokens with start and end, padded to the tower's length. */
  readonly prompt: ArrayLike<number>;
  readonly negativePrompt: ArrayLike<number>;
  readonly image: Raster<Uint8ClampedArray>;
  /** What CLIP is shown instead of `image`: the picture before it was cut. */
  readonly clipImage?: Raster<Uint8ClampedArray>;
  readonly width: number;
  readonly height: number;
  readonly frames?: number;
  /** Frames a second that the network is told; not the rate of the file. */
  readonly rate?: number;
  readonly steps?: number;
  /** Pull of the prompt; 1 or less runs the network once a step. */
  readonly guidance?: number;
  readonly eta?: number;
  readonly seed?: number;
  /** Noise to start from [F, h, w, C] and that of the picture's latent [h, w, C], instead of the seed's. */
  readonly noise?: Float32Array;
  readonly latentNoise?: Float32Array;
  /** Keeps the rounding of the original's crop, which may leave a black line. */
  readonly exactCrop?: boolean;
};

/** Streams of a seed: the start, the picture's latent, then the steps. */
const STREAMS = { start: 0, latent: 1, steps: 2 } as const;

/**
 * Yields the frames in order. Throws `clip/size` for sizes that the model cannot make, `weights/…` for files that are
 * not the model's, `gpu/limit` where the device is too small, `AbortError` soon after the signal fires.
 */
export const generateI2vgen: ClipPipeline<I2vgenSource, I2vgenRequest> = async function* (
  engine,
  source,
  request,
  options = {},
) {
  const { frames: F = 16, rate = 16, steps = 50, guidance = 9, eta = 0, seed = 0 } = request;
  const report = reporter(options);
  const trace = options.onTrace ?? (() => undefined);
  const config = parseI2vgenConfig(await source.config('unet'));
  const vae = parseAutoencoderConfig(await source.config('vae'));
  const sampler = ddimSampler(parseDdimConfig(await source.config('scheduler')), { steps, eta });
  const shape = latentShape(request, F, pixelsPerLatent(vae), config.latentChannels);
  const [, h, w, C] = shape;

  const part = (name: I2vgenComponent, rename?: Rename): Promise<ClipWeights> =>
    partOf(source, name, () => source.weights(name, rename));
  const coder = await part('vae', renameOldAttention);
  const vision = parseVisionConfig(await source.config('image_encoder'));
  const { width, height, image, clipImage: seenPicture, exactCrop: exact = false } = request;
  const clipSide = vision.imageSize;
  const picture = preparePicture(image, { width, height, clipSide, seen: seenPicture, exact });
  const known = options.resume && knownConditions(options.resume.conditions);
  const conditions = known ?? (await conditionsOf());
  const { text, negative, seen, z } = conditions;
  trace('prompt_embeds', text);
  trace('negative_prompt_embeds', negative);
  trace('image_embeds', seen);
  const latents = countedLatents(z, F);
  trace('image_latents', latents);

  const build =
    (rows: Float32Array, embedding: Float32Array): BuildCondition =>
    (root) => {
      const { graph } = root;
      const { context, channels } = i2vgenConditions(config)(root)({
        text: graph.constant(
          'text',
          rows,
          [rows.length / config.contextDim, config.contextDim],
          graph.compute,
        ),
        picture: graph.constant('picture', embedding, [1, config.contextDim], graph.compute),
        latents: graph.constant('latents', latents, shape),
      });
      return { text: context, channels };
    };
  const { sample: latent, stepsDone } = await denoise(
    engine,
    await part('unet', renameUnet()),
    {
      ...{ config, sampler, guidance: { scale: guidance }, rate, shape },
      noise: request.noise ?? normal(seed, STREAMS.start, F * h * w * C),
      stepNoise: (i) => normal(seed, STREAMS.steps + i, F * h * w * C),
      conditions: {
        conditional: build(text, seen),
        unconditional: guidance > 1 ? build(negative, new Float32Array(seen.length)) : undefined,
        imageOnly: undefined,
      },
    },
    {
      ...report('denoise'),
      ...attendance(options, shape, steps, { picture: picture.video, latent: z }, conditions),
    },
  );
  options.onSampled?.(stepsDone);
  trace('latents', latent);
  yield* framesOf(
    engine,
    coder,
    vae,
    { values: latent, shape },
    { ...report('decode'), onDecodeInF32: options.onDecodeInF32 },
  );

  /** Prompts and picture through their networks. */
  async function conditionsOf(): Promise<I2vgenKnown> {
    const words = await part('text_encoder');
    const textConfig = parseTextConfig(await source.config('text_encoder'));
    const prompts = [request.prompt, request.negativePrompt];
    const [text = new Float32Array(), negative = new Float32Array()] = await encodePrompts(
      engine,
      words,
      textConfig,
      prompts,
      report('text'),
    );
    const eyes = await part('image_encoder');
    const asked = { ...report('picture'), embed: true };
    const seen = await encodeSeen(engine, eyes, vision, picture.clip, asked);
    const [posterior] = await encodePictures(engine, coder, vae, [picture.video], report('encode'));
    const noise = request.latentNoise ?? normal(seed, STREAMS.latent, h * w * C);
    const z = posterior?.sample(noise).map((value) => value * vae.scale) ?? new Float32Array();
    return { text, negative, seen, z };
  }
};

/** What prompts and picture became: rows of the text tower, CLIP's embedding, the picture's latent. */
type I2vgenKnown = Readonly<Record<'text' | 'negative' | 'seen' | 'z', Float32Array>>;

/** Conditions that a checkpoint holds. */
function knownConditions({ text, negative, seen, z }: Values): I2vgenKnown | undefined {
  return text && negative && seen && z && { text, negative, seen, z };
}

function latentShape(
  { width, height }: I2vgenRequest,
  F: number,
  side: number,
  C: number,
): readonly [number, number, number, number] {
  const whole = [width, height].every((n) => Number.isInteger(n) && n > 0 && n % side === 0);
  if (!whole || !Number.isInteger(F) || F < 1) {
    throw new EngineError(
      'clip/size',
      `clip of ${F} frames, ${width} × ${height} — needs frames and sides that are multiples of ${side} — choose another size`,
      { need: side },
    );
  }
  return [F, height / side, width / side, C];
}

/** The picture's latent in the first frame; in frame k all values say how far the clip has come, k / (F − 1). */
function countedLatents(z: Float32Array, F: number): Float32Array {
  const all = new Float32Array(F * z.length);
  all.set(z);
  for (let k = 1; k < F; k++) all.fill(k / (F - 1), k * z.length, (k + 1) * z.length);
  return all;
}
