/** What writers of every container share: frames and sound go through the browser's encoders into a muxer until the end or a failure. */
import { EngineError } from '../gpu/errors.ts';
import type { CodecChoice } from './codecs.ts';
import {
  closedError,
  emptyError,
  encodingError,
  openFrameEncoder,
  silentError,
  videoFormat,
  webCodecsHere,
} from './encoder.ts';
import type { EncodedFrame } from './encoder.ts';
import { workingCodec } from './encoder-probe.ts';
import type { WebCodecs } from './encoder-probe.ts';
import type { VideoMarking } from './marking.ts';
import { openSoundTrack, workingSoundCodec } from './sound-track.ts';
import type { SoundChunk, SoundCodec, SoundTrack, SoundWebCodecs } from './sound-track.ts';
import type { VideoCodec, VideoWriter } from './writer.ts';

/** What a file with frames, and sound where it is to have any, is made of. */
export type MuxedWriterOptions = {
  /** Both even, as H.264 demands. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly marking: VideoMarking;
  /** Bits a second; about a third of a bit a pixel when left out. */
  readonly bitsPerSecond?: number;
  /** Codecs that may be tried. */
  readonly allowed?: readonly VideoCodec[];
  readonly webCodecs?: WebCodecs;
  /** Gives the file a sound track, which `addSound` fills. */
  readonly sound?: {
    readonly allowed?: readonly SoundCodec[];
    readonly webCodecs?: SoundWebCodecs;
  };
};

/** A container that takes what the encoders made, in order. */
export type Container = {
  addFrame(frame: EncodedFrame): void;
  addSound(chunk: SoundChunk): void;
  /** Resolves to the file when nothing more comes. */
  finish(): Promise<Uint8Array<ArrayBuffer>>;
};

/**
 * Resolves to a writer into the container that `open` makes for the codecs that work here; `sound` is absent for a file
 * without. Throws `video/size`, `video/fps`, `video/no-encoder` and `video/no-sound-encoder`.
 */
export async function openMuxedWriter(
  options: MuxedWriterOptions,
  open: (choice: CodecChoice, sound: SoundCodec | undefined) => Container,
): Promise<VideoWriter> {
  const { width, height, fps, sound } = options;
  const format = videoFormat(width, height, fps, options.bitsPerSecond);
  const webCodecs = options.webCodecs ?? webCodecsHere();
  const choice = await workingCodec(format, webCodecs, options.allowed);
  const heard = sound && (await workingSoundCodec(sound.webCodecs, sound.allowed));
  const container = open(choice, heard?.codec);
  let failure: EngineError | undefined;
  const fail = (cause: unknown): void => {
    failure ??= encodingError(cause);
    encoder.wake();
  };
  const addFrame = (frame: EncodedFrame): void => container.addFrame(frame);
  const encoder = openFrameEncoder(choice, format, webCodecs, addFrame, fail);
  const addSound = (chunk: SoundChunk): void => container.addSound(chunk);
  const track: SoundTrack | undefined =
    heard && openSoundTrack(heard.codec, heard.codecs, addSound, fail);
  const close = (): void => {
    encoder.close();
    track?.close();
  };
  const check = (): void => {
    if (failure) close();
    if (failure) throw failure;
  };

  return {
    ...choice,
    ...(heard && { soundCodec: heard.codec }),
    async addSound(samples) {
      check();
      if (!track) throw silentError();
      await track.add(samples);
      check();
    },
    async addFrame(rgba) {
      check();
      await encoder.add(rgba);
      check();
    },
    async finish() {
      check();
      if (encoder.frames === 0) throw emptyError();
      await Promise.all([encoder.flush(), track?.flush()]).catch(fail);
      check();
      close();
      failure = closedError();
      return container.finish();
    },
    abort() {
      failure ??= new EngineError('video/closed', 'video — was aborted — create another writer');
      close();
      encoder.wake();
    },
  };
}
