/** Live Avatar in the shape of a run: a picture, a sound and a prompt go in, frames with their sound come out. */
import { mono } from './audio/sound.ts';
import type { Sound } from './audio/sound.ts';
import { resampleSound } from './audio/resample.ts';
import { EngineError } from './gpu/errors.ts';
import { NO_WORK } from './graph/work.ts';
import { coloursOnWhite } from './image/colours.ts';
import type { Size } from './image/fit.ts';
import type { Raster } from './image/resize.ts';
import { VIDEO_RATE } from './models/live-avatar/audio-features.ts';
import { forecastAvatar } from './models/live-avatar/forecast.ts';
import { speak } from './models/live-avatar/pipeline.ts';
import { avatarPolicy } from './models/live-avatar/policy.ts';
import type { AvatarSettings } from './models/live-avatar/request.ts';
import {
  AVATAR_DEFAULTS,
  blocksOfSound,
  checkAvatarRequest,
} from './models/live-avatar/request.ts';
import type { AvatarProgress, AvatarStage } from './models/live-avatar/run-options.ts';
import { avatarSize } from './models/live-avatar/size.ts';
import { BLOCK_FRAMES } from './models/live-avatar/stream.ts';
import type { ComponentName, ComponentSource } from './models/wan/components.ts';
import type { Engine } from './nn/run-once.ts';
import { needPicture } from './run.ts';
import type { RunFrame, RunnableModel } from './run.ts';
import type { Settings } from './settings.ts';
import { umt5Tokenizer } from './tokenizers/tokenizer.ts';
import { SOUND_TRACK_RATE } from './video/sound-track.ts';
import type { ByteSource } from './weights/byte-source.ts';
import type { ModelFiles } from './weights/model-files.ts';
import { openModelFolder } from './weights/model-folder.ts';

/** An opened model: its parts and its tokenizer. */
export type AvatarFiles = { readonly parts: ComponentSource; readonly tokenizer: ByteSource };

const PARTS: readonly ComponentName[] = [
  ...(['transformer', 'vae', 'text_encoder', 'audio_encoder', 'lora'] as const),
];
const TOKENIZER = 'tokenizer/tokenizer.json';

/** Opens the model in `files`; reads headers, no weights. Throws `weights/folder`, `weights/missing`. */
export async function openAvatar(files: ModelFiles): Promise<AvatarFiles> {
  const parts = await openModelFolder(files, PARTS);
  const tokenizer = await files.open(TOKENIZER);
  if (tokenizer) return { parts, tokenizer };
  throw new EngineError(
    'weights/folder',
    `model — got a folder without ${TOKENIZER} — choose the folder of a model`,
  );
}

/** What is said, by whom, and how. */
export type Speech = {
  /** RGB in 0..1, upright. */
  readonly picture: Raster;
  readonly sound: Sound;
  readonly prompt: string;
  readonly settings?: Partial<AvatarSettings>;
};

/** What a speech is told and tells. */
export type SpeechHooks = {
  readonly signal?: AbortSignal;
  /** Once it fires, the video ends with the block that is shown. */
  readonly finishEarly?: AbortSignal;
  /** The share of a stage that is done. */
  readonly progress: (stage: AvatarStage, done: number) => void;
};

/** Returns the size of a speech's video and how many blocks it has. Throws what `checkAvatarRequest` throws. */
export function planSpeech({ picture, sound, settings }: Speech): {
  readonly video: Size;
  readonly blocks: number;
} {
  const checked = checkAvatarRequest({ ...settings, image: picture, sound, prompt: [1] });
  const seconds = (sound.channels[0]?.length ?? 0) / sound.sampleRate;
  return { video: checked.video, blocks: blocksOfSound(seconds, Infinity, checked) };
}

/** Yields the frames of a speech, each with its sound; returns how many blocks were shown of how many. Throws what `speak` throws. */
export async function* spokenFrames(
  engine: Engine,
  { parts, tokenizer }: AvatarFiles,
  speech: Speech,
  { signal, finishEarly, progress }: SpeechHooks,
): AsyncGenerator<RunFrame, { readonly shown: number; readonly blocks: number }, void> {
  const { picture, sound, prompt, settings = {} } = speech;
  const { blocks } = planSpeech(speech);
  const tokens = (await umt5Tokenizer(tokenizer))(prompt);
  const track = resampleSound(mono(sound), sound.sampleRate, SOUND_TRACK_RATE);
  const perFrame = SOUND_TRACK_RATE / VIDEO_RATE;
  const run = speak(
    { ...engine, keeper: undefined }, // what reads sound and prompt makes way for the stream
    parts,
    { ...settings, image: picture, sound, prompt: tokens },
    {
      ...(signal && { signal }),
      ...(finishEarly && { finishEarly }),
      onProgress: inOrder(blocks, progress),
    },
  );
  let shown = 0;
  for await (const frame of run) {
    const heard = new Float32Array(perFrame); // silence where the sound has ended
    heard.set(track.subarray(frame.index * perFrame, (frame.index + 1) * perFrame));
    shown = (frame.index + 1) / BLOCK_FRAMES;
    yield { ...frame, count: blocks * BLOCK_FRAMES, sound: heard };
  }
  return { shown, blocks };
}

/** The stages in order; blocks are decoded while others are denoised. */
const STAGES: readonly AvatarStage[] = ['sound', 'text', 'picture', 'load', 'denoise'];

/** Returns a listener that tells stages one after another, decoding as a part of denoising. */
function inOrder(
  blocks: number,
  progress: SpeechHooks['progress'],
): (event: AvatarProgress) => void {
  let reached = 0;
  let made = 0;
  return ({ stage, done, block = 0 }) => {
    const name = stage === 'decode' ? 'denoise' : stage;
    const index = STAGES.indexOf(name);
    if (index < reached) return; // encoders that run at once, conditions that are taken in again
    reached = index;
    // A block counts half when it is denoised; the next one is on its way before it is shown.
    const now = stage === 'decode' ? block + (1 + done) / 2 : block + done / 2;
    if (name === 'denoise') made = Math.max(made, now);
    progress(name, name === 'denoise' ? made / blocks : done);
  };
}

/** Returns the model of `files`; `usual` are settings under the model's own names, which those of a run go before. */
export function runnableAvatar(
  files: AvatarFiles,
  usual: Partial<AvatarSettings> = {},
): RunnableModel {
  const areaOf = ({ size, preset }: Settings): Size =>
    size ?? (preset === 'preview' ? { width: 384, height: 256 } : { width: 704, height: 384 });
  const own = ({ steps, seed }: Settings, { width, height }: Size): AvatarSettings => ({
    ...{ ...AVATAR_DEFAULTS, ...usual },
    ...{ sample_steps: steps, base_seed: seed, size: `${width}*${height}` },
  });
  const steps = AVATAR_DEFAULTS.sample_steps;
  return {
    family: 'live-avatar',
    makes: 'video',
    takes: { picture: 'needed', lastPicture: 'no', sound: 'needed', prompt: 'possible' },
    presets: {
      preview: { fps: VIDEO_RATE, steps: 3 },
      standard: { fps: VIDEO_RATE, steps },
      high: { fps: VIDEO_RATE, steps },
    },
    quantise: ({ weights }) => avatarPolicy(weights),
    sizeFor(picture, settings) {
      const { width, height } = areaOf(settings);
      return avatarSize(settings.size ?? picture, width * height);
    },
    async plan({ settings, size, precision, seconds = 0 }, caps) {
      const { sample_steps, skip_last_step, infer_frames, kv_cache } = own(settings, size);
      const [transformer, vae, text_encoder] = await Promise.all(
        (['transformer', 'vae', 'text_encoder'] as const).map((name) => files.parts.config(name)),
      );
      const { weights } = settings;
      const forecast = await forecastAvatar(
        { transformer: transformer ?? {}, vae: vae ?? {}, text_encoder: text_encoder ?? {} },
        {
          ...{ sample_steps, skip_last_step, infer_frames, kv_cache, video: size },
          ...{ tokens: MOST_TOKENS, blocks: 2 },
          weights,
        },
        precision,
        caps,
      );
      const blocks = Math.max(1, Math.ceil((seconds * VIDEO_RATE) / BLOCK_FRAMES));
      return {
        peakBytes: Math.max(forecast.peakBytes, forecast.textPeakBytes),
        largestBuffer: forecast.largestBuffer,
        stages: [
          ...(['sound', 'text', 'picture'] as const).map((name) => ({
            ...{ name, steps: 1 },
            work: name === 'text' ? forecast.textWork : NO_WORK,
          })),
          { name: 'load', steps: 1, work: forecast.loadWork },
          { name: 'denoise', steps: blocks, work: forecast.workOf(blocks) },
        ],
      };
    },
    async *run(engine, { picture, sound, settings }, { progress, signal, finishEarly }) {
      const portrait = needPicture(picture);
      if (!sound) {
        throw new EngineError('audio/missing', 'sound — got none, needs one — choose a sound file');
      }
      const { width, height } = portrait;
      const before = engine.executor.stats;
      const speech = {
        ...{
          picture: coloursOnWhite({ ...portrait, channels: 4 }),
          sound,
          prompt: settings.prompt,
        },
        settings: own(settings, { width, height }),
      };
      const { shown, blocks } = yield* spokenFrames(engine, files, speech, {
        ...{ progress, ...(signal && { signal }), ...(finishEarly && { finishEarly }) },
      });
      const after = engine.executor.stats;
      return {
        ...{ family: 'live-avatar', size: { width, height } },
        dispatches: after.dispatches - before.dispatches,
        submits: after.submits - before.submits,
        stepsDone: shown < blocks ? Math.floor((settings.steps * shown) / blocks) : settings.steps,
      };
    },
  };
}

/** Tokens that are counted on where a prompt is not read yet. */
const MOST_TOKENS = 128;
