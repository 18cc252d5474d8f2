/** Writes frames into an MP4 file with the browser's own encoder (WebCodecs) and mp4-muxer. */
import { ArrayBufferTarget, Muxer } from 'mp4-muxer';
import { EngineError } from '../gpu/errors.ts';
import {
  closedError,
  emptyError,
  encodingError,
  openFrameEncoder,
  silentError,
  videoFormat,
  webCodecsHere,
} from './encoder.ts';
import { workingCodec } from './encoder-probe.ts';
import type { WebCodecs } from './encoder-probe.ts';
import { markingTags, markingXmp, produceId } from './marking.ts';
import type { VideoMarking } from './marking.ts';
import { boxesAt, joined } from './mp4-boxes.ts';
import { appendXmp, setMp4Times, withoutXmp, writeMp4Tags } from './mp4-metadata.ts';
import type { SoundCodec, SoundTrack, SoundWebCodecs } from './sound-track.ts';
import { SOUND_TRACK_RATE, openSoundTrack, workingSoundCodec } from './sound-track.ts';
import type { VideoCodec, VideoWriter } from './writer.ts';

export type Mp4WriterOptions = {
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

/**
 * Returns a writer for frames of the given size. Same frames, same browser: same bytes, for no time of day is
 * written. Throws `video/size` for an odd or empty size, `video/no-encoder` when nothing here can encode it, and
 * `video/no-sound-encoder` likewise where it is to have sound.
 */
export async function createMp4Writer(options: Mp4WriterOptions): Promise<VideoWriter> {
  const { width, height, fps, marking, sound } = options;
  const format = videoFormat(width, height, fps, options.bitsPerSecond);
  const webCodecs = options.webCodecs ?? webCodecsHere();
  const choice = await workingCodec(format, webCodecs, options.allowed);
  const heard = sound && (await workingSoundCodec(sound.webCodecs, sound.allowed));

  const target = new ArrayBufferTarget();
  const muxer = new Muxer({
    target,
    video: { codec: choice.codec, width, height, frameRate: fps },
    ...(heard && {
      audio: { codec: heard.codec, numberOfChannels: 1, sampleRate: SOUND_TRACK_RATE },
    }),
    fastStart: 'in-memory',
  });
  let failure: EngineError | undefined;
  const fail = (cause: unknown): void => {
    failure ??= encodingError(cause);
    encoder.wake();
  };
  const encoder = openFrameEncoder(
    choice,
    format,
    webCodecs,
    ({ data, type, timestamp, duration, metadata }) =>
      muxer.addVideoChunkRaw(data, type, timestamp, duration, metadata),
    fail,
  );
  const track: SoundTrack | undefined =
    heard &&
    openSoundTrack(
      heard.codec,
      heard.codecs,
      ({ data, type, timestamp, duration, metadata }) =>
        muxer.addAudioChunkRaw(data, type, timestamp, duration, metadata),
      fail,
    );
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
      muxer.finalize();
      failure = closedError();
      return markedMp4(new Uint8Array(target.buffer), marking);
    },
    abort() {
      failure ??= new EngineError('video/closed', 'video — was aborted — create another writer');
      close();
      encoder.wake();
    },
  };
}

/**
 * Resolves to a plain MP4 file with its tags and the mark of generated content, and without any time of day; tags that it
 * had are replaced. Throws `video/damaged`.
 */
export async function markedMp4(
  file: Uint8Array<ArrayBuffer>,
  marking: VideoMarking,
): Promise<Uint8Array<ArrayBuffer>> {
  const plain = withoutXmp(file);
  setMp4Times(plain);
  const media = boxesAt(plain, ['mdat']).map(({ start, end }) => plain.subarray(start, end));
  const id = await produceId(joined(...media));
  return appendXmp(writeMp4Tags(plain, markingTags(marking, id)), markingXmp(marking, id));
}
