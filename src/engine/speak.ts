/** A picture that speaks, as a file: the avatar's frames and its sound go into the video while they are made. */
import { mono } from './audio/sound.ts';
import type { Sound } from './audio/sound.ts';
import { resampleSound } from './audio/resample.ts';
import type { Gpu } from './gpu/device.ts';
import { EngineError } from './gpu/errors.ts';
import { meterBuffers } from './gpu/memory.ts';
import type { Precision } from './graph/graph.ts';
import type { Raster } from './image/resize.ts';
import { speak } from './models/live-avatar/pipeline.ts';
import type { AvatarSettings } from './models/live-avatar/request.ts';
import { blocksOfSound, checkAvatarRequest } from './models/live-avatar/request.ts';
import type { AvatarProgress, AvatarStage } from './models/live-avatar/run-options.ts';
import { avatarPolicy } from './models/live-avatar/policy.ts';
import type { AvatarFrame } from './models/live-avatar/frames.ts';
import { VIDEO_RATE } from './models/live-avatar/audio-features.ts';
import type { ComponentName } from './models/wan/components.ts';
import { umt5Tokenizer } from './tokenizers/tokenizer.ts';
import { createMp4Writer } from './video/mp4-writer.ts';
import type { Mp4WriterOptions } from './video/mp4-writer.ts';
import { SOUND_TRACK_RATE } from './video/sound-track.ts';
import type { SoundCodec } from './video/sound-track.ts';
import type { IntegerType } from './gpu/integers.ts';
import type { ModelFiles } from './weights/model-files.ts';
import { openModelFolder } from './weights/model-folder.ts';
import { residentEngine } from './resident.ts';
import type { RunMeasures } from './resident.ts';
import { Progress } from './progress.ts';
import type { ProgressEvent } from './progress.ts';

export type { Sound } from './audio/sound.ts';
export type { AvatarSettings } from './models/live-avatar/request.ts';
export type { AvatarFrame } from './models/live-avatar/frames.ts';

/** What a run needs. */
export type SpeakOptions = RunMeasures & {
  readonly gpu: Gpu;
  /** The folder of the model: `transformer`, `vae`, `text_encoder`, `audio_encoder` and `tokenizer` in it, and `lora` where there is one. */
  readonly model: ModelFiles;
  /** RGBA, row-major, upright, of any size. */
  readonly picture: Raster<Uint8ClampedArray>;
  readonly sound: Sound;
  readonly prompt: string;
  readonly settings?: Partial<AvatarSettings>;
  readonly precision?: Precision | 'auto';
  /** Stores weight matrices as small integers, in place of spreading them over several cards. */
  readonly weights?: IntegerType;
  /** Name and version of the program, written into the file. */
  readonly tool: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Called with every frame as it comes, to be shown. */
  readonly onFrame?: (frame: AvatarFrame) => void;
  /** Encoders, where they are not the host's. */
  readonly codecs?: Pick<Mp4WriterOptions, 'webCodecs' | 'sound'>;
};

/** A finished video. `codec` is the WebCodecs string. */
export type SpokenVideo = {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly codec: string;
  readonly soundCodec: SoundCodec | undefined;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly fps: number;
  readonly totalMs: number;
  readonly peakGpuBytes: number;
};

const PARTS: readonly ComponentName[] = [
  'transformer',
  'vae',
  'text_encoder',
  'audio_encoder',
  'lora',
];
const TOKENIZER = 'tokenizer/tokenizer.json';

/**
 * Resolves to the video of the picture that speaks, its sound in step with the frames. Request, encoders and files are
 * checked before any weight is loaded. Throws what `speak` and `createMp4Writer` throw, and `weights/folder`.
 */
export async function speakToMp4(options: SpeakOptions): Promise<SpokenVideo> {
  const { gpu, model, picture, sound, prompt, settings = {}, signal } = options;
  const started = performance.now();
  const memory = meterBuffers(gpu.device);
  memory.resetPeak();
  const image = withoutAlpha(picture);
  const request = { ...settings, image, sound };
  const checked = checkAvatarRequest({ ...request, prompt: [1] });
  const { video } = checked;
  const { width, height } = video;
  const writer = await createMp4Writer({
    ...{ width, height, fps: VIDEO_RATE, sound: {} },
    marking: {
      tool: options.tool,
      settings: { prompt, ...settings },
    },
    ...options.codecs,
  });
  try {
    const source = await openModelFolder(model, PARTS);
    const tokenizer = await model.open(TOKENIZER);
    if (!tokenizer) {
      throw new EngineError(
        'weights/folder',
        `model — got a folder without ${TOKENIZER} — choose the folder of a model`,
      );
    }
    const tokens = (await umt5Tokenizer(tokenizer))(prompt);
    const track = resampleSound(mono(sound), sound.sampleRate, SOUND_TRACK_RATE);
    const perFrame = SOUND_TRACK_RATE / VIDEO_RATE;
    const seconds = track.length / SOUND_TRACK_RATE;
    let frames = 0;
    const run = speak(
      await engineOf(options),
      source,
      { ...request, prompt: tokens },
      {
        ...(signal && { signal }),
        onProgress: following(blocksOfSound(seconds, Infinity, checked), options),
      },
    );
    for await (const frame of run) {
      options.onFrame?.(frame);
      const samples = new Float32Array(perFrame); // silence where the sound has ended
      samples.set(track.subarray(frame.index * perFrame, (frame.index + 1) * perFrame));
      const write = async (): Promise<void> => {
        await writer.addSound(samples);
        await writer.addFrame(frame.data);
      };
      await (options.profiler?.host('encode', 'frame', write) ?? write());
      frames++;
    }
    const file = await writer.finish();
    return {
      ...{ file, width, height, frames, fps: VIDEO_RATE },
      ...{ codec: writer.codecString, soundCodec: writer.soundCodec },
      totalMs: performance.now() - started,
      peakGpuBytes: memory.peakBytes,
    };
  } finally {
    writer.abort();
  }
}

/** The stages in order with what they cost at real sizes, a block of speech the unit. */
const STAGES: readonly { readonly name: AvatarStage; readonly cost: number }[] = [
  { name: 'sound', cost: 1 },
  { name: 'text', cost: 3 },
  { name: 'picture', cost: 2 },
  { name: 'load', cost: 10 },
  { name: 'denoise', cost: 1 },
];

/** Returns a listener that turns what the run tells into how far the whole is. */
function following(
  blocks: number,
  { profiler, onProgress: report = () => undefined }: SpeakOptions,
): (progress: AvatarProgress) => void {
  const plan = STAGES.map((stage) => ({ ...stage, steps: stage.name === 'denoise' ? blocks : 1 }));
  const progress = new Progress(plan, report);
  let reached = 0;
  let made = 0;
  return ({ stage, done, block = 0 }) => {
    profiler?.enter(stage);
    const name = stage === 'decode' ? 'denoise' : stage;
    const index = STAGES.findIndex((known) => known.name === name);
    if (index < reached) return; // encoders that run at once, conditions that are taken in again
    reached = index;
    // A block counts half when it is denoised; the next one is on its way before it is shown.
    const now = stage === 'decode' ? block + done : block + done / 2;
    if (name === 'denoise') made = Math.max(made, now);
    progress.advance(name, name === 'denoise' ? made / blocks : done);
  };
}

async function engineOf(options: SpeakOptions) {
  const { gpu, precision = 'auto', weights } = options;
  return {
    ...(await residentEngine(gpu, options)),
    precision: precision === 'auto' ? (gpu.caps.f16 ? 'f16' : 'f32') : precision,
    ...(weights && { quantise: avatarPolicy(weights) }),
  } as const;
}

/** RGBA bytes, white behind what is transparent -> RGB in 0..1. */
function withoutAlpha({ width, height, channels, data }: Raster<Uint8ClampedArray>): Raster {
  const rgb = new Float32Array(width * height * 3);
  for (let p = 0; p < width * height; p++) {
    const alpha = channels === 4 ? (data[4 * p + 3] ?? 255) / 255 : 1;
    for (let c = 0; c < 3; c++) {
      rgb[3 * p + c] = 1 + alpha * ((data[channels * p + c] ?? 0) / 255 - 1);
    }
  }
  return { width, height, channels: 3, data: rgb };
}
