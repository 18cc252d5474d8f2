/** What the avatar is given, read by the encoders: sound as columns, prompt as rows, picture as latents. */
import { mono } from '../../audio/sound.ts';
import { resampleSound } from '../../audio/resample.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { ComponentSource } from '../wan/components.ts';
import { encodeTexts } from '../wan/encode.ts';
import { renameWan } from '../wan/names-dit.ts';
import { openVae } from '../wan/picture.ts';
import type { SparseVideo } from '../wan/vae-video.ts';
import {
  SOUND_RATE,
  atMiddleRate,
  atVideoRate,
  hearSound,
  mixOf,
  mixStates,
  normaliseSound,
} from './audio-features.ts';
import type { CheckedRequest } from './request.ts';
import { MOTION_FRAMES } from './request.ts';
import type { AvatarStage } from './run-options.ts';
import { fitPicture } from './size.ts';
import { parseWav2Vec2Config } from './wav2vec2-config.ts';

/** What the encoders make of a request. */
export type AvatarInputs = {
  /** Rows of the prompt. */
  readonly text: Float32Array;
  /** Sound as columns [clips · infer_frames, audioDim]. */
  readonly columns: Float32Array;
  /** Latents [19, h, w, C] of the picture that has been standing still. */
  readonly motion: Float32Array;
};

/** Runs the encoders one after another, or all at once where nothing has to be given back between them. */
export async function readInputs(
  engine: Engine,
  source: ComponentSource,
  request: CheckedRequest,
  report: (stage: AvatarStage) => RunOptions,
): Promise<AvatarInputs> {
  const parts = {
    columns: () => hear(engine, source, request, report('sound')),
    text: () => readPrompt(engine, source, request, report('text')),
    motion: () => look(engine, source, request, report('picture')),
  };
  if (!request.settings.offload_model) {
    const [columns, text, motion] = await Promise.all([
      parts.columns(),
      parts.text(),
      parts.motion(),
    ]);
    return { columns, text, motion };
  }
  return { columns: await parts.columns(), text: await parts.text(), motion: await parts.motion() };
}

async function hear(
  engine: Engine,
  source: ComponentSource,
  { sound, settings }: CheckedRequest,
  options: RunOptions,
): Promise<Float32Array> {
  const config = parseWav2Vec2Config(await source.config('audio_encoder'));
  const transformer = await source.weights('transformer', renameWan);
  const mix = mixOf(await transformer.read('casual_audio_encoder.weights'));
  const samples = resampleSound(mono(sound), sound.sampleRate, SOUND_RATE);
  const { mixed = new Float32Array() } = await hearSound(
    engine,
    await source.weights('audio_encoder'),
    config,
    normaliseSound(samples),
    ({ graph }, states) => graph.result('mixed', mixStates(states, mix)),
    options,
  );
  return atVideoRate(atMiddleRate(mixed, config.width), config.width, settings.infer_frames);
}

async function readPrompt(
  engine: Engine,
  source: ComponentSource,
  { prompt }: CheckedRequest,
  options: RunOptions,
): Promise<Float32Array> {
  return (await encodeTexts(engine, source, { prompt }, options)).prompt;
}

/** The latents of the picture standing still: no latent knows what comes after, so the first ones are those of any length. */
async function look(
  engine: Engine,
  source: ComponentSource,
  { image, video }: CheckedRequest,
  options: RunOptions,
): Promise<Float32Array> {
  const { data, width, height } = fitPicture(image, video);
  const still = data.map((value) => 2 * value - 1);
  const known = new Map(Array.from({ length: MOTION_FRAMES }, (_, i) => [i, still]));
  const shape = [MOTION_FRAMES, height, width, 3] as const;
  return encodeFrames(engine, source, { shape, known }, options);
}

/** Resolves to the latents of frames; the autoencoder is given back. */
export async function encodeFrames(
  engine: Engine,
  source: ComponentSource,
  frames: SparseVideo,
  options: RunOptions,
): Promise<Float32Array> {
  const vae = await openVae(engine, source);
  try {
    return (await vae.encode(frames, options)).values;
  } finally {
    vae.destroy();
  }
}
