/** Writes frames into a WebM file: VP9, else AV1, through the browser's own encoder and webm-muxer. */
import { ArrayBufferTarget, Muxer } from 'webm-muxer';
import type { EngineError } from '../gpu/errors.ts';
import {
  closedError,
  emptyError,
  encodingError,
  openFrameEncoder,
  videoFormat,
  webCodecsHere,
} from './encoder.ts';
import { workingCodec } from './encoder-probe.ts';
import { markingTags, produceId } from './marking.ts';
import type { Mp4WriterOptions } from './mp4-writer.ts';
import { appendWebmTags, webmMedia } from './webm-tags.ts';
import type { SilentWriter } from './writer.ts';

const CODEC_IDS = { avc: 'V_MPEG4/ISO/AVC', vp9: 'V_VP9', av1: 'V_AV1' } as const;

/** What a WebM file is made of. */
export type WebmWriterOptions = Omit<Mp4WriterOptions, 'sound' | 'allowed'>;

/**
 * Resolves to a writer for frames of the given size. Same frames, same browser: same bytes. Throws `video/size`, `video/fps`,
 * and `video/no-encoder` when nothing here encodes VP9 or AV1.
 */
export async function createWebmWriter(options: WebmWriterOptions): Promise<SilentWriter> {
  const { width, height, fps, marking } = options;
  const format = videoFormat(width, height, fps, options.bitsPerSecond);
  const webCodecs = options.webCodecs ?? webCodecsHere();
  const choice = await workingCodec(format, webCodecs, ['vp9', 'av1']);
  const target = new ArrayBufferTarget();
  const muxer = new Muxer({
    target,
    video: { codec: CODEC_IDS[choice.codec], width, height, frameRate: fps },
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
  const check = (): void => {
    if (failure) encoder.close();
    if (failure) throw failure;
  };
  return {
    ...choice,
    async addFrame(rgba) {
      check();
      await encoder.add(rgba);
      check();
    },
    async finish() {
      check();
      if (encoder.frames === 0) throw emptyError();
      await encoder.flush().catch(fail);
      check();
      encoder.close();
      muxer.finalize();
      failure = closedError();
      const file = new Uint8Array(target.buffer);
      return appendWebmTags(file, markingTags(marking, await produceId(webmMedia(file))));
    },
    abort() {
      failure ??= closedError();
      encoder.close();
      encoder.wake();
    },
  };
}
