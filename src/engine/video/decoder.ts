/** The frames of an MP4 file as RGBA, through the browser's decoder (WebCodecs) and our own matrix. */
import { EngineError } from '../gpu/errors.ts';
import { BT709 } from './encoder-probe.ts';
import { mp4VideoTrack } from './mp4-samples.ts';
import type { Mp4Sample } from './mp4-samples.ts';
import { i420ToRgba, nv12ToI420 } from './yuv.ts';

/** Encoded frames that may wait inside the decoder. */
const WAITING_FRAMES = 8;

const decodingError = (cause: unknown): EngineError =>
  cause instanceof EngineError
    ? cause
    : new EngineError(
        'video/decode',
        `video — the decoder failed: ${cause instanceof Error ? cause.message : String(cause)} — open it in another browser`,
        { cause },
      );

/**
 * Yields the frames of an MP4 file in the order of showing, row-major from the top. Throws `video/damaged` for a file that
 * makes no sense, `video/decode` where this browser cannot decode it.
 */
export async function* decodeFrames(
  file: Uint8Array,
): AsyncGenerator<Uint8ClampedArray<ArrayBuffer>, void, void> {
  const { codec, description, width, height, samples } = mp4VideoTrack(file);
  if (typeof VideoDecoder === 'undefined') throw decodingError('there is none');
  const ready: VideoFrame[] = [];
  let failure: EngineError | undefined;
  let wake = (): void => undefined;
  const fail = (cause: unknown): void => {
    failure ??= decodingError(cause);
    wake();
  };
  const decoder = new VideoDecoder({
    output: (frame) => {
      ready.push(frame);
      wake();
    },
    error: fail,
  });
  decoder.addEventListener('dequeue', () => wake());
  try {
    decoder.configure({
      ...{ codec, codedWidth: width, codedHeight: height, colorSpace: BT709 },
      ...(description && { description }),
    });
    let fed = 0;
    for (let shown = 0; shown < samples.length;) {
      while (
        decoder.state === 'configured' &&
        decoder.decodeQueueSize + ready.length < WAITING_FRAMES
      ) {
        const sample = samples[fed++];
        if (!sample) break;
        decoder.decode(chunkOf(file, sample));
        if (fed === samples.length) {
          const missing = (): string =>
            `${shown + ready.length} of ${samples.length} frames came out`;
          decoder
            .flush()
            .then(() => shown + ready.length < samples.length && fail(missing()), fail);
        }
      }
      const frame = ready.shift();
      if (frame) {
        shown++;
        yield await pixelsOf(frame, width, height);
      } else if (failure) throw failure;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } catch (cause) {
    throw decodingError(cause);
  } finally {
    for (const frame of ready) frame.close();
    if (decoder.state !== 'closed') decoder.close();
  }
}

const chunkOf = (
  file: Uint8Array,
  { start, end, timestamp, duration, key }: Mp4Sample,
): EncodedVideoChunk =>
  new EncodedVideoChunk({
    type: key ? 'key' : 'delta',
    ...{ timestamp, duration, data: file.subarray(start, end) },
  });

/** The pixels of a frame; closes it. */
async function pixelsOf(
  frame: VideoFrame,
  width: number,
  height: number,
): Promise<Uint8ClampedArray<ArrayBuffer>> {
  try {
    const { format } = frame;
    const rect = { x: frame.visibleRect?.x ?? 0, y: frame.visibleRect?.y ?? 0, width, height };
    if (format === 'I420' || format === 'NV12') {
      const planes = new Uint8ClampedArray(frame.allocationSize({ rect }));
      await frame.copyTo(planes, { rect });
      return i420ToRgba(
        format === 'NV12' ? nv12ToI420(planes, width, height) : planes,
        width,
        height,
      );
    }
    const rgba = new Uint8ClampedArray(4 * width * height);
    await frame.copyTo(rgba, { rect, format: 'RGBA', colorSpace: 'srgb' });
    return rgba;
  } catch (cause) {
    throw decodingError(cause);
  } finally {
    frame.close();
  }
}
