/** Writes frames into a WebM file: VP9, else AV1, and Opus, through the browser's own encoders and webm-muxer. */
import { ArrayBufferTarget, Muxer } from 'webm-muxer';
import { markingTags, produceId } from './marking.ts';
import { openMuxedWriter } from './muxed-writer.ts';
import type { MuxedWriterOptions } from './muxed-writer.ts';
import { SOUND_TRACK_RATE } from './sound-track.ts';
import { appendWebmTags, webmMedia } from './webm-tags.ts';
import type { VideoWriter } from './writer.ts';

const CODEC_IDS = { avc: 'V_MPEG4/ISO/AVC', vp9: 'V_VP9', av1: 'V_AV1' } as const;

/** What a WebM file is made of. */
export type WebmWriterOptions = Omit<MuxedWriterOptions, 'allowed'>;

/**
 * Resolves to a writer for frames of the given size. Same frames, same browser: same bytes. Throws `video/size`, `video/fps`,
 * `video/no-encoder` when nothing here encodes VP9 or AV1, and `video/no-sound-encoder` likewise where it is to have sound.
 */
export function createWebmWriter(options: WebmWriterOptions): Promise<VideoWriter> {
  const { width, height, fps, marking, sound } = options;
  const asked: MuxedWriterOptions = {
    ...{ ...options, allowed: ['vp9', 'av1'] },
    ...(sound && { sound: { ...sound, allowed: ['opus'] } }),
  };
  return openMuxedWriter(asked, ({ codec }, heard) => {
    const target = new ArrayBufferTarget();
    const muxer = new Muxer({
      target,
      video: { codec: CODEC_IDS[codec], width, height, frameRate: fps },
      ...(heard && {
        audio: { codec: 'A_OPUS', numberOfChannels: 1, sampleRate: SOUND_TRACK_RATE },
      }),
    });
    return {
      addFrame: ({ data, type, timestamp, metadata }) =>
        muxer.addVideoChunkRaw(data, type, timestamp, metadata),
      addSound: ({ data, type, timestamp, metadata }) =>
        muxer.addAudioChunkRaw(data, type, timestamp, metadata),
      async finish() {
        muxer.finalize();
        const file = new Uint8Array(target.buffer);
        return appendWebmTags(file, markingTags(marking, await produceId(webmMedia(file))));
      },
    };
  });
}
