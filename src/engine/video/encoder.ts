/** Frames through the browser's video encoder (WebCodecs), in order, with no more waiting inside it than it can hold. */
import { EngineError } from '../gpu/errors.ts';
import type { CodecChoice } from './codecs.ts';
import { BT709, encoderConfig, videoFrame } from './encoder-probe.ts';
import type { VideoFormat, WebCodecs } from './encoder-probe.ts';
import { rgbaToI420 } from './yuv.ts';

const BITS_PER_PIXEL = 0.35;
const SECONDS_PER_KEY_FRAME = 2;
/** Frames that may wait inside the encoder before `add` makes the caller wait. */
const WAITING_FRAMES = 8;

/** An encoded frame. Times are microseconds. */
export type EncodedFrame = {
  readonly data: Uint8Array;
  readonly type: EncodedVideoChunkType;
  readonly timestamp: number;
  readonly duration: number;
  /** What a decoder needs, with the colours that the planes were made in. */
  readonly metadata: EncodedVideoChunkMetadata;
};

/** An encoder in use. */
export type FrameEncoder = {
  /** Frames so far. */
  readonly frames: number;
  /** Adds a frame of RGBA bytes; resolves when there is room for the next. Throws `video/frame`. */
  add(rgba: Uint8Array | Uint8ClampedArray): Promise<void>;
  /** Resolves when all frames have been handed on. */
  flush(): Promise<void>;
  /** Frees the encoder; calling it twice does nothing. */
  close(): void;
  /** Ends a wait for room, after a failure elsewhere. */
  wake(): void;
};

/** Returns the size and rate of a video with its data rate, about a third of a bit a pixel. Throws `video/size`, `video/fps`. */
export function videoFormat(
  width: number,
  height: number,
  fps: number,
  bitsPerSecond = Math.max(500_000, Math.round(width * height * fps * BITS_PER_PIXEL)),
): VideoFormat {
  const isEven = (side: number): boolean => Number.isInteger(side) && side >= 2 && side % 2 === 0;
  if (!isEven(width) || !isEven(height)) {
    throw new EngineError(
      'video/size',
      `video — got ${width} × ${height}, needs even sides of at least 2 — crop a row or a column`,
    );
  }
  if (!(fps > 0 && fps <= 240)) {
    throw new EngineError(
      'video/fps',
      `video — got ${fps} frames a second, needs 1 to 240 — change it`,
      { have: fps },
    );
  }
  return { width, height, fps, bitsPerSecond };
}

/** Returns WebCodecs as this page or worker has it. Throws `video/no-encoder`. */
export function webCodecsHere(): WebCodecs {
  if (typeof VideoEncoder === 'undefined' || typeof VideoFrame === 'undefined') {
    throw new EngineError(
      'video/no-encoder',
      'video — got a host without WebCodecs, needs VideoEncoder — use a current browser over https',
    );
  }
  return { VideoEncoder, VideoFrame };
}

/** Returns a failure of an encoder as a typed error. */
export const encodingError = (cause: unknown): EngineError =>
  cause instanceof EngineError
    ? cause
    : new EngineError(
        'video/encode',
        `video — the encoder failed: ${cause instanceof Error ? cause.message : String(cause)} — try again or use a smaller size`,
        { cause },
      );

/** Returns the error for a video without frames. */
export const emptyError = (): EngineError =>
  new EngineError('video/empty', 'video — got no frame, needs at least one — add frames first');

/** Returns the error for sound that a file has no track for. */
export const silentError = (): EngineError =>
  new EngineError(
    'video/silent',
    'video — got sound for a file without a sound track — create the writer with one',
  );

/** Returns the error for a call to a writer that has ended. */
export const closedError = (): EngineError =>
  new EngineError('video/closed', 'video — got a call after the end — create another writer');

/** Returns an encoder whose frames go to `take`; `fail` hears of whatever goes wrong, once or more. */
export function openFrameEncoder(
  choice: CodecChoice,
  format: VideoFormat,
  webCodecs: WebCodecs,
  take: (frame: EncodedFrame) => void,
  fail: (cause: unknown) => void,
): FrameEncoder {
  const { width, height, fps } = format;
  let frames = 0;
  let failed = false;
  let wake = (): void => undefined;
  const giveUp = (cause: unknown): void => {
    failed = true;
    fail(cause);
    wake();
  };
  const encoder = new webCodecs.VideoEncoder({
    output: (chunk, metadata) => {
      try {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const { type, timestamp, duration } = chunk;
        const lasting = duration ?? 1e6 / fps;
        take({ data, type, timestamp, duration: lasting, metadata: withColour(metadata) });
      } catch (cause) {
        giveUp(cause);
      }
    },
    error: giveUp,
  });
  encoder.addEventListener('dequeue', () => wake());
  encoder.configure(encoderConfig(choice, format));
  return {
    get frames() {
      return frames;
    },
    async add(rgba) {
      if (rgba.length !== 4 * width * height) {
        throw new EngineError(
          'video/frame',
          `frame ${frames} — got ${rgba.length} bytes, needs ${4 * width * height} of RGBA — pass whole frames`,
          { have: rgba.length, need: 4 * width * height },
        );
      }
      const frame = videoFrame(webCodecs, rgbaToI420(rgba, width, height), format, frames);
      const keyFrame = frames % Math.ceil(SECONDS_PER_KEY_FRAME * fps) === 0;
      try {
        encoder.encode(frame, { keyFrame });
      } catch (cause) {
        giveUp(cause);
      } finally {
        frame.close();
      }
      frames++;
      while (!failed && encoder.encodeQueueSize > WAITING_FRAMES) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    flush: () => encoder.flush(),
    close() {
      if (encoder.state !== 'closed') encoder.close();
    },
    wake() {
      failed = true;
      wake();
    },
  };
}

/** The encoder's description with the colours that the planes were made in. */
const withColour = (metadata?: EncodedVideoChunkMetadata): EncodedVideoChunkMetadata =>
  metadata?.decoderConfig
    ? { ...metadata, decoderConfig: { ...metadata.decoderConfig, colorSpace: BT709 } }
    : {};
