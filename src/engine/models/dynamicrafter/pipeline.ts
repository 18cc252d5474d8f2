/**
 * DynamiCrafter, from pictures and a prompt to a clip: a picture that comes to life, two pictures joined, a picture that
 * returns to itself. Text and picture through CLIP, image tokens, latents, DDIM, frames decoded one by one; each stage
 * frees what the next one does not need. Original: scripts/evaluation/inference.py.
 */
import { encodePictures } from '../autoencoder-kl/frames.ts';
import { pixelsPerLatent } from '../autoencoder-kl/config.ts';
import { renameAutoencoder } from '../autoencoder-kl/names.ts';
import type { Values } from '../../sampling/checkpoint.ts';
import { ddimSampler } from '../../sampling/ddim.ts';
import { normal } from '../../sampling/rng.ts';
import type { Rename } from '../../weights/weight-store.ts';
import type { BuildCondition } from '../unet3d/denoise.ts';
import { denoise } from '../unet3d/denoise.ts';
import { attendance, framesOf } from '../unet3d/finish.ts';
import { renameLvdmUnet } from '../unet3d/names.ts';
import { partOf } from '../unet3d/parts.ts';
import type { ClipPipeline } from '../unet3d/clip-pipeline.ts';
import { reporter } from '../unet3d/clip-pipeline.ts';
import type { DynamiCrafterConfig } from './config.ts';
import { parseParams } from './params.ts';
import type { DynamiCrafterRequest } from './request.ts';
import { conditionChannels, picturesOf } from './request.ts';
import type { DynamiCrafterSource } from './see.ts';
import { projectTokens, see } from './see.ts';
import { splitContext } from './tokens.ts';

/** Streams of a seed: the start, the pictures' latents, then the steps. */
const STREAMS = { start: 0, latent: 1, steps: 3 } as const;

/**
 * Yields the frames in order; a loop leaves out the last, which is the first again. Throws `clip/…` for requests that
 * the model cannot serve, `weights/…` for files that are not the model's, `gpu/limit` where the device is too small,
 * `AbortError` soon after the signal fires.
 */
export const generateDynamiCrafter: ClipPipeline<DynamiCrafterSource, DynamiCrafterRequest> =
  async function* (engine, source, request, options = {}) {
    const {
      mode = 'video',
      steps = 50,
      guidance = 7.5,
      imageGuidance,
      eta = 1,
      seed = 0,
    } = request;
    const report = reporter(options);
    const trace = options.onTrace ?? (() => undefined);
    const params = parseParams(source.params);
    const { unet: config, vae, ddim, frames: F } = params;
    const { rate = config.defaultRate, rescale = ddim.zeroSnr ? 0.7 : 0 } = request;
    const sampler = ddimSampler(ddim, { steps, eta });
    // The UNet has no answer to odd sizes on its way up.
    const side = pixelsPerLatent(vae) * 2 ** (config.widths.length - 1);
    const pictures = picturesOf(request, side);

    const coder = await partOf(source, 'autoencoder', () =>
      source.weights(renameAutoencoder(vae.channels.length, 'first_stage_model.')),
    );
    const known = options.resume && knownConditions(options.resume.conditions);
    const conditions = known ?? (await conditionsOf());
    const { text, emptyText, tokens, emptyTokens } = conditions;
    trace('image_tokens', tokens);
    trace('uncond_image_tokens', emptyTokens);
    const latents = latentsOf(conditions);
    latents.forEach((latent, i) => trace(`z${i + 1}`, latent));

    const scale = pixelsPerLatent(vae);
    const [h, w] = [request.image.height / scale, request.image.width / scale];
    const shape = [F, h, w, vae.latentChannels] as const;
    const size = F * h * w * vae.latentChannels;
    const channels = conditionChannels(mode, latents, F);
    trace('channels', channels);
    const build =
      (words: Float32Array, seen: Float32Array): BuildCondition =>
      ({ graph }) => {
        const rows = (words.length + seen.length) / config.contextDim;
        const all = new Float32Array(rows * config.contextDim);
        all.set(words);
        all.set(seen, words.length);
        const context = graph.constant('context', all, [rows, config.contextDim], graph.compute);
        return {
          ...splitContext(context, F),
          channels: graph.constant('channels', channels, shape),
        };
      };
    const { sample: latent, stepsDone } = await denoise(
      engine,
      await partOf(source, 'unet', async () => source.weights(await unetNames(source, config))),
      {
        ...{ config, sampler, rate, shape },
        guidance: { scale: guidance, imageScale: imageGuidance ?? guidance, rescale },
        noise: request.noise ?? normal(seed, STREAMS.start, size),
        stepNoise: (i) => request.stepNoise?.[i] ?? normal(seed, STREAMS.steps + i, size),
        conditions: {
          conditional: build(text, tokens),
          unconditional: guidance === 1 ? undefined : build(emptyText, emptyTokens),
          imageOnly: imageGuidance === undefined ? undefined : build(emptyText, tokens),
        },
      },
      {
        ...report('denoise'),
        ...attendance(
          options,
          shape,
          steps,
          { picture: request.image, latent: conditions.z1 },
          conditions,
        ),
        ...(options.onTrace && { onSample: (values: Float32Array) => trace('step', values) }),
      },
    );
    options.onSampled?.(stepsDone);
    trace('latents', latent);
    const count = mode === 'loop' ? F - 1 : F;
    const frames = framesOf(
      engine,
      coder,
      vae,
      { values: latent, shape },
      {
        ...report('decode'),
        onDecodeInF32: options.onDecodeInF32,
        onRaw: (data) => trace('frame', data),
      },
    );
    for await (const frame of frames) if (frame.index < count) yield frame;

    /** Prompt and pictures through their networks. */
    async function conditionsOf(): Promise<KnownConditions> {
      const seen =
        request.seen ??
        (await see(engine, source, request.prompt, request.clipImage ?? request.image, report));
      const [tokens = new Float32Array(), emptyTokens = new Float32Array()] = await projectTokens(
        engine,
        source,
        params,
        [seen.picture, seen.emptyPicture],
        report('picture', [0.8, 1]),
      );
      const posteriors = await encodePictures(engine, coder, vae, pictures, report('encode'));
      const [z1 = new Float32Array(), z2] = posteriors.map((posterior, i) => {
        const drawn = () => normal(seed, STREAMS.latent + i, posterior.mean.length);
        const noise = request.latentNoise?.[i] ?? drawn();
        return posterior.sample(noise).map((value) => value * vae.scale);
      });
      const { text, emptyText } = seen;
      return { text, emptyText, tokens, emptyTokens, z1, ...(z2 && { z2 }) };
    }
  };

/** What prompt and pictures became: rows of the text tower, image tokens, latents. */
type KnownConditions = Readonly<
  Record<'text' | 'emptyText' | 'tokens' | 'emptyTokens' | 'z1', Float32Array>
> & { readonly z2?: Float32Array };

const latentsOf = ({ z1, z2 }: KnownConditions): readonly Float32Array[] => (z2 ? [z1, z2] : [z1]);

/** Conditions that a checkpoint holds. */
function knownConditions(values: Values): KnownConditions | undefined {
  const { text, emptyText, tokens, emptyTokens, z1, z2 } = values;
  if (!text || !emptyText || !tokens || !emptyTokens || !z1) return undefined;
  return { text, emptyText, tokens, emptyTokens, z1, ...(z2 && { z2 }) };
}

/** The names of the UNet; the 256 model calls the embedding of its rate otherwise. */
async function unetNames(
  source: DynamiCrafterSource,
  config: DynamiCrafterConfig,
): Promise<Rename> {
  const rename = renameLvdmUnet(config);
  if (!(await source.weights()).has('framestride_embed.0.weight')) return rename;
  return (name) =>
    name.startsWith('fps_embedding.')
      ? name.replace('fps_embedding.', 'framestride_embed.')
      : rename(name);
}
