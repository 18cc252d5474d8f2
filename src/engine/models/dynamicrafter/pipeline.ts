/**
 * DynamiCrafter, from pictures and a prompt to a clip: a picture that comes to life, two pictures joined, a picture that
 * returns to itself. Text and picture through CLIP, image tokens, latents, DDIM, frames decoded one by one; each stage
 * frees what the next one does not need. Original: scripts/evaluation/inference.py.
 */
import { decodeFrames, encodePictures } from '../autoencoder-kl/frames.ts';
import { pixelsPerLatent } from '../autoencoder-kl/config.ts';
import { renameAutoencoder } from '../autoencoder-kl/names.ts';
import { ddimSampler } from '../../sampling/ddim.ts';
import { normal } from '../../sampling/rng.ts';
import type { Rename } from '../../weights/weight-store.ts';
import type { BuildCondition } from '../unet3d/denoise.ts';
import { denoise } from '../unet3d/denoise.ts';
import { renameLvdmUnet } from '../unet3d/names.ts';
import { partOf } from '../unet3d/parts.ts';
import type { ClipPipeline } from '../unet3d/pipeline-types.ts';
import { reporter, toUnit } from '../unet3d/pipeline-types.ts';
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

    const seen =
      request.seen ??
      (await see(engine, source, request.prompt, request.clipImage ?? request.image, {
        text: report('text'),
        picture: report('picture'),
      }));
    const image = await projectTokens(engine, source, params, seen.picture, report('picture'));
    const noImage = await projectTokens(
      engine,
      source,
      params,
      seen.emptyPicture,
      report('picture'),
    );
    trace('image_tokens', image);
    trace('uncond_image_tokens', noImage);

    const coder = await partOf(source, 'autoencoder', () =>
      source.weights(renameAutoencoder(vae.channels.length, 'first_stage_model.')),
    );
    const posteriors = await encodePictures(engine, coder, vae, pictures, report('latent'));
    const latents = posteriors.map((posterior, i) => {
      const drawn = () => normal(seed, STREAMS.latent + i, posterior.mean.length);
      const noise = request.latentNoise?.[i] ?? drawn();
      return posterior.sample(noise).map((value) => value * vae.scale);
    });
    latents.forEach((latent, i) => trace(`z${i + 1}`, latent));

    const scale = pixelsPerLatent(vae);
    const [h, w] = [request.image.height / scale, request.image.width / scale];
    const shape = [F, h, w, vae.latentChannels] as const;
    const size = F * h * w * vae.latentChannels;
    const channels = conditionChannels(mode, latents, F);
    trace('channels', channels);
    const build =
      (text: Float32Array, tokens: Float32Array): BuildCondition =>
      ({ graph }) => {
        const rows = (text.length + tokens.length) / config.contextDim;
        const all = new Float32Array(rows * config.contextDim);
        all.set(text);
        all.set(tokens, text.length);
        const context = graph.constant('context', all, [rows, config.contextDim], graph.compute);
        return {
          ...splitContext(context, F),
          channels: graph.constant('channels', channels, shape),
        };
      };
    const latent = await denoise(
      engine,
      await partOf(source, 'unet', async () => source.weights(await unetNames(source, config))),
      {
        ...{ config, sampler, rate, shape },
        guidance: { scale: guidance, imageScale: imageGuidance ?? guidance, rescale },
        noise: request.noise ?? normal(seed, STREAMS.start, size),
        stepNoise: (i) => request.stepNoise?.[i] ?? normal(seed, STREAMS.steps + i, size),
        conditions: {
          conditional: build(seen.text, image),
          unconditional: guidance === 1 ? undefined : build(seen.emptyText, noImage),
          imageOnly: imageGuidance === undefined ? undefined : build(seen.emptyText, image),
        },
      },
      {
        ...report('denoise'),
        ...(options.onTrace && { onLatent: (values: Float32Array) => trace('step', values) }),
      },
    );
    trace('latents', latent);
    const count = mode === 'loop' ? F - 1 : F;
    const clip = { values: latent, shape };
    for await (const { data, ...frame } of decodeFrames(
      engine,
      coder,
      vae,
      clip,
      report('decode'),
    )) {
      trace('frame', data);
      if (frame.index < count) yield { ...frame, data: toUnit(data) };
    }
  };

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
