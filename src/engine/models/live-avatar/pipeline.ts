/**
 * A portrait speaks: picture, sound and prompt go in, frames come out as long as the sound lasts. While one block of
 * twelve frames is denoised, the one before it is decoded and shown; what is held on the device does not grow.
 */
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { normal } from '../../sampling/rng.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { ComponentSource } from '../wan/components.ts';
import { renameWan } from '../wan/names-dit.ts';
import { openVae } from '../wan/picture.ts';
import { pixelsPerLatent } from '../wan/vae-config.ts';
import { parseAvatarConfig } from './config.ts';
import type { AvatarFrame } from './frames.ts';
import { frameDecoder, inRgba } from './frames.ts';
import { readInputs } from './inputs.ts';
import { withLora } from './lora.ts';
import type { AvatarRequest, CheckedRequest } from './request.ts';
import { blocksOfSound, checkAvatarRequest } from './request.ts';
import type { AvatarOptions, AvatarStage } from './run-options.ts';
import { avatarSampler } from './schedule.ts';
import { Seen } from './seen.ts';
import { AvatarStream, BLOCK_FRAMES, BLOCK_LATENTS } from './stream.ts';
import { MOTION_LATENTS } from './tokens.ts';

/**
 * Yields every frame of the video in order, as blocks are decoded. The three frames after the start, in which the
 * reference shows a jump, repeat the fourth, so that sound and frames begin together.
 * Throws `avatar/…` and `audio/…` for requests that no run can serve, `weights/…` for files of another model, `gpu/limit`
 * where the device is too small, and `AbortError` soon after `signal` fires.
 */
export async function* speak(
  engine: Engine,
  source: ComponentSource,
  given: AvatarRequest,
  options: AvatarOptions = {},
): AsyncGenerator<AvatarFrame, void, void> {
  const request = checkAvatarRequest(given);
  const { settings, video, remembered } = request;
  const ahead = new Ahead(options.signal);
  const { signal } = ahead;
  const report = (stage: AvatarStage): RunOptions => ({
    ...{ signal, stage, onProgress: (done) => options.onProgress?.({ stage, done }) },
  });
  const config = parseAvatarConfig(await source.config('transformer'));
  const { text, columns, motion } = await readInputs(engine, source, request, report);

  const vae = await openVae(engine, source);
  const space = pixelsPerLatent(vae.config);
  const size = [video.height / space, video.width / space] as const;
  const stream = await AvatarStream.open(
    engine,
    await transformerOf(engine, source),
    {
      ...{ config, size, text, remembered, distance: settings.reference_distance },
      int8Memory: settings.kv_cache === 'int8',
      sampler: avatarSampler(settings.sample_steps, settings.skip_last_step),
    },
    report('load'),
  );
  try {
    const one = motion.length / MOTION_LATENTS;
    await stream.settle(motion.subarray(one, 2 * one), motion, report('load')); // five frames of still
    const clips = columns.length / config.audioDim / settings.infer_frames;
    const blocks = blocksOfSound(soundSeconds(request), clips, request);
    const seen = new Seen(request, stream, motion);
    const frames = frameDecoder(vae, motion, [...size, config.inChannels], { ...options, signal });

    const denoise = async (block: number): Promise<Float32Array> => {
      await seen.refresh(engine, source, block, report('picture'));
      const at = (block % request.clipBlocks) * BLOCK_LATENTS * one;
      const seed = settings.base_seed + Math.floor(block / request.clipBlocks);
      const noise = normal(seed, 0, BLOCK_LATENTS * one, at); // a frame has 16 channels
      const from = block * BLOCK_FRAMES * config.audioDim;
      const latents = await stream.block(
        { noise, columns: columns.subarray(from, from + BLOCK_FRAMES * config.audioDim) },
        {
          signal,
          onProgress: (done) => options.onProgress?.({ stage: 'denoise', done, block, blocks }),
        },
      );
      options.onBlock?.(block, stream.bytes);
      return latents;
    };
    ahead.begin(denoise(0));
    for (let block = 0; block < blocks; block++) {
      const latents = await ahead.next;
      seen.take(block, latents);
      const next = block + 1;
      const waits = next < blocks && seen.waitsForFrames(next);
      // Decoding is on its way before the next block is prepared, so that the device need not wait for that.
      const chunks = begun(frames(latents, block, blocks));
      if (next < blocks && !waits) ahead.begin(denoise(next));
      for await (const chunk of chunks) {
        seen.show(chunk);
        yield* inRgba(chunk);
      }
      if (options.finishEarly?.aborted) return;
      if (waits) ahead.begin(denoise(next));
    }
  } finally {
    await ahead.end();
    stream.destroy();
    vae.destroy();
  }
}

/** The transformer's weights, with the low-rank ones merged in where the model has them apart. */
async function transformerOf(engine: Engine, source: ComponentSource): Promise<WeightSource> {
  const base = await source.weights('transformer', renameWan);
  if (!source.has('lora')) return base;
  return withLora(engine, base, await source.weights('lora'), await source.config('lora'));
}

/** Returns the same items; the first is on its way already. */
function begun<T>(items: AsyncGenerator<T, void, void>): AsyncGenerator<T, void, void> {
  const first = items.next();
  first.catch(() => undefined); // told when it is awaited
  return (async function* () {
    try {
      for (let item = await first; !item.done; item = await items.next()) yield item.value;
    } finally {
      await items.return();
    }
  })();
}

/** The block that is made while the one before it is shown. It ends with the run, however that ends. */
class Ahead {
  readonly #stop = new AbortController();
  readonly #given: AbortSignal | undefined;
  #next: Promise<Float32Array> = Promise.resolve(new Float32Array());
  readonly #pass = (): void => this.#stop.abort(this.#given?.reason);

  constructor(given: AbortSignal | undefined) {
    this.#given = given;
    if (given?.aborted) this.#pass();
    given?.addEventListener('abort', this.#pass);
  }

  /** Fires when the run is cancelled, or has ended. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get next(): Promise<Float32Array> {
    return this.#next;
  }

  begin(block: Promise<Float32Array>): void {
    this.#next = block;
    block.catch(() => undefined); // looked at later: it must not count as unhandled until then
  }

  /** Stops what nobody will look at, and waits until the device has let go of it. */
  async end(): Promise<void> {
    this.#given?.removeEventListener('abort', this.#pass);
    this.#stop.abort();
    await this.#next.catch(() => undefined);
  }
}

const soundSeconds = ({ sound: { channels, sampleRate } }: CheckedRequest): number =>
  (channels[0]?.length ?? 0) / sampleRate;
