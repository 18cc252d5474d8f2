/** Writes frames into a WebM file: VP9, else AV1, and Opus, through the browser's own encoders and webm-muxer. */
import { ArrayBufferTarget, Muxer } from 'webm-muxer';
import type { EngineError } from '../gpu/errors.ts';
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
import { markingTags, produceId } from './marking.ts';
import type { Mp4WriterOptions } from './mp4-writer.ts';
import { appendWebmTags, webmMedia } from './webm-tags.ts';
import { openSoundTrack, SOUND_TRACK_RATE, workingSoundCodec } from './sound-track.ts';
import type { SoundTrack } from './sound-track.ts';
import type { VideoWriter } from './writer.ts';

const CODEC_IDS = { avc: 'V_MPEG4/ISO/AVC', vp9: 'V_VP9', av1: 'V_AV1' } as const;

/** What a WebM file is made of. */
export type WebmWriterOptions = Omit<Mp4WriterOptions, 'allowed'>;

/**
 * Resolves to a writer for frames of the given size. Same frames, same browser: same bytes. Throws `video/size`, `video/fps`,
 * `video/no-encoder` when nothing here encodes VP9 or AV1, and `video/no-sound-encoder` likewise where it is to have sound.
 */
export async function createWebmWriter(options: WebmWriterOptions): Promise<VideoWriter> {
  const { width, height, fps, marking, sound } = options;
  const format = videoFormat(width, height, fps, options.bitsPerSecond);
  const webCodecs = options.webCodecs ?? webCodecsHere();
  const choice = await workingCodec(format, webCodecs, ['vp9', 'av1']);
  const heard = sound && (await workingSoundCodec(sound.webCodecs, ['opus']));
  const target = new ArrayBufferTarget();
  const muxer = new Muxer({
    target,
    video: { codec: CODEC_IDS[choice.codec], width, height, frameRate: fps },
    ...(heard && {
      audio: { codec: 'A_OPUS', numberOfChannels: 1, sampleRate: SOUND_TRACK_RATE },
    }),
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
    ({ data, type, timestamp, metadata }) =>
      muxer.addVideoChunkRaw(data, type, timestamp, metadata),
    fail,
  );
  const track: SoundTrack | undefined =
    heard &&
    openSoundTrack(
      heard.codec,
      heard.codecs,
      ({ data, type, timestamp, metadata }) =>
        muxer.addAudioChunkRaw(data, type, timestamp, metadata),
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
      const file = new Uint8Array(target.buffer);
      return appendWebmTags(file, markingTags(marking, await produceId(webmMedia(file))));
    },
    abort() {
      failure ??= closedError();
      close();
      encoder.wake();
    },
  };
}
