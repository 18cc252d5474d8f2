/** Writes frames into an MP4 file with the browser's own encoder (WebCodecs) and mp4-muxer. */
import { ArrayBufferTarget, Muxer } from 'mp4-muxer';
import { markingTags, markingXmp, produceId } from './marking.ts';
import type { VideoMarking } from './marking.ts';
import { boxesAt, joined } from './mp4-boxes.ts';
import { appendXmp, setMp4Times, withoutXmp, writeMp4Tags } from './mp4-metadata.ts';
import { openMuxedWriter } from './muxed-writer.ts';
import type { MuxedWriterOptions } from './muxed-writer.ts';
import { SOUND_TRACK_RATE } from './sound-track.ts';
import type { VideoWriter } from './writer.ts';

/** What an MP4 file is made of. */
export type Mp4WriterOptions = MuxedWriterOptions;

/**
 * Returns a writer for frames of the given size. No time of day is written: files of the same frames differ only where the
 * browser's encoder does, which some do when they spread a large frame over threads. Throws `video/size` for an odd or
 * empty size, `video/no-encoder` when nothing here can encode it, and `video/no-sound-encoder` likewise where it is to
 * have sound.
 */
export function createMp4Writer(options: Mp4WriterOptions): Promise<VideoWriter> {
  const { width, height, fps, marking } = options;
  return openMuxedWriter(options, ({ codec }, heard) => {
    const target = new ArrayBufferTarget();
    const muxer = new Muxer({
      target,
      video: { codec, width, height, frameRate: fps },
      ...(heard && {
        audio: { codec: heard, numberOfChannels: 1, sampleRate: SOUND_TRACK_RATE },
      }),
      fastStart: 'in-memory',
    });
    return {
      addFrame: ({ data, type, timestamp, duration, metadata }) =>
        muxer.addVideoChunkRaw(data, type, timestamp, duration, metadata),
      addSound: ({ data, type, timestamp, duration, metadata }) =>
        muxer.addAudioChunkRaw(data, type, timestamp, duration, metadata),
      finish() {
        muxer.finalize();
        return markedMp4(new Uint8Array(target.buffer), marking);
      },
    };
  });
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
