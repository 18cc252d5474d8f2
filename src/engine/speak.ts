/** A picture that speaks, as a file: the avatar's frames and its sound go into the video while they are made. */
import type { Sound } from './audio/sound.ts';
import type { Gpu } from './gpu/device.ts';
import { meterBuffers } from './gpu/memory.ts';
import type { Precision } from './graph/graph.ts';
import { coloursOnWhite } from './image/colours.ts';
import type { Raster } from './image/resize.ts';
import { VIDEO_RATE } from './models/live-avatar/audio-features.ts';
import { avatarPolicy } from './models/live-avatar/policy.ts';
import type { AvatarSettings } from './models/live-avatar/request.ts';
import type { AvatarStage } from './models/live-avatar/run-options.ts';
import { Progress } from './progress.ts';
import type { ProgressEvent } from './progress.ts';
import { residentEngine } from './resident.ts';
import type { RunMeasures } from './resident.ts';
import type { RunFrame } from './run.ts';
import { openAvatar, planSpeech, spokenFrames } from './run-avatar.ts';
import type { WeightsChoice } from './weights/policy.ts';
import { createMp4Writer } from './video/mp4-writer.ts';
import type { Mp4WriterOptions } from './video/mp4-writer.ts';
import type { SoundCodec } from './video/sound-track.ts';
import type { ModelFiles } from './weights/model-files.ts';

export type { Sound } from './audio/sound.ts';
export type { AvatarSettings } from './models/live-avatar/request.ts';

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
  readonly weights?: WeightsChoice;
  /** Name and version of the program, written into the file. */
  readonly tool: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Called with every frame as it comes, to be shown. */
  readonly onFrame?: (frame: RunFrame) => void;
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

/**
 * Resolves to the video of the picture that speaks, its sound in step with the frames. Request, encoders and files are
 * checked before any weight is loaded. Throws what `speak` and `createMp4Writer` throw, and `weights/folder`.
 */
export async function speakToMp4(options: SpeakOptions): Promise<SpokenVideo> {
  const { gpu, model, picture, sound, prompt, settings = {}, signal } = options;
  const started = performance.now();
  const memory = meterBuffers(gpu.device);
  memory.resetPeak();
  const speech = { picture: coloursOnWhite(picture), sound, prompt, settings };
  const { blocks, video } = planSpeech(speech);
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
    const files = await openAvatar(model);
    const stages = STAGES.map(({ name, cost }) => ({
      ...{ name, cost },
      steps: name === 'denoise' ? blocks : 1,
    }));
    const following = new Progress(stages, options.onProgress ?? (() => undefined));
    const run = spokenFrames(await engineOf(options), files, speech, {
      ...(signal && { signal }),
      progress(stage, done) {
        options.profiler?.enter(stage);
        following.advance(stage, done);
      },
    });
    let frames = 0;
    for await (const frame of run) {
      options.onFrame?.(frame);
      const write = async (): Promise<void> => {
        if (frame.sound) await writer.addSound(frame.sound);
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

async function engineOf(options: SpeakOptions) {
  const { gpu, precision = 'auto', weights } = options;
  return {
    ...(await residentEngine(gpu, options)),
    precision: precision === 'auto' ? (gpu.caps.f16 ? 'f16' : 'f32') : precision,
    quantise: avatarPolicy(weights),
  } as const;
}
