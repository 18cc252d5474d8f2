/** Writes frames into an MP4 file with the browser's own encoder (WebCodecs) and mp4-muxer. */
import { ArrayBufferTarget, Muxer } from 'mp4-muxer';
import { EngineError } from '../gpu/errors.ts';
import { BT709, encoderConfig, videoFrame, workingCodec } from './encoder-probe.ts';
import type { VideoFormat, WebCodecs } from './encoder-probe.ts';
import { markingTags, markingXmp, produceId } from './marking.ts';
import type { VideoMarking } from './marking.ts';
import { boxesAt, joined } from './mp4-boxes.ts';
import { appendXmp, setMp4Times, withoutXmp, writeMp4Tags } from './mp4-metadata.ts';
import type { SoundCodec, SoundTrack, SoundWebCodecs } from './sound-track.ts';
import { SOUND_TRACK_RATE, openSoundTrack, workingSoundCodec } from './sound-track.ts';
import type { VideoCodec, VideoWriter } from './writer.ts';
import { rgbaToI420 } from './yuv.ts';

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

const BITS_PER_PIXEL = 0.35;
const SECONDS_PER_KEY_FRAME = 2;
/** Frames that may wait inside the encoder before `addFrame` makes the caller wait. */
const WAITING_FRAMES = 8;

/**
 * Returns a writer for frames of the given size. Same frames, same browser: same bytes, for no time of day is
 * written. Throws `video/size` for an odd or empty size, `video/no-encoder` when nothing here can encode it, and
 * `video/no-sound-encoder` likewise where it is to have sound.
 */
export async function createMp4Writer(options: Mp4WriterOptions): Promise<VideoWriter> {
  const { width, height, fps, marking } = options;
  checkFormat(width, height, fps);
  const webCodecs = options.webCodecs ?? webCodecsHere();
  const bitsPerSecond =
    options.bitsPerSecond ?? Math.max(500_000, Math.round(width * height * fps * BITS_PER_PIXEL));
  const format: VideoFormat = { width, height, fps, bitsPerSecond };
  const choice = await workingCodec(format, webCodecs, options.allowed);
  const { sound } = options;
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
  let frames = 0;
  let wake = (): void => undefined;
  const fail = (cause: unknown): void => {
    failure ??= encodingError(cause);
    wake();
  };
  const encoder = new webCodecs.VideoEncoder({
    output: (chunk, metadata) => {
      try {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const { type, timestamp, duration } = chunk;
        muxer.addVideoChunkRaw(data, type, timestamp, duration ?? 1e6 / fps, withColour(metadata));
      } catch (cause) {
        fail(cause);
      }
    },
    error: fail,
  });
  encoder.addEventListener('dequeue', () => wake());
  encoder.configure(encoderConfig(choice, format));

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
    if (encoder.state !== 'closed') encoder.close();
    track?.close();
  };
  const isFull = (): boolean => !failure && encoder.encodeQueueSize > WAITING_FRAMES;
  const check = (): void => {
    if (failure) close();
    if (failure) throw failure;
  };

  return {
    ...choice,
    ...(heard && { soundCodec: heard.codec }),
    async addSound(samples) {
      check();
      if (!track) {
        throw new EngineError(
          'video/silent',
          'video — got sound for a file without a sound track — create the writer with one',
        );
      }
      await track.add(samples);
      check();
    },
    async addFrame(rgba) {
      check();
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
        fail(cause);
      } finally {
        frame.close();
      }
      frames++;
      while (isFull()) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      check();
    },
    async finish() {
      check();
      if (frames === 0) {
        throw new EngineError(
          'video/empty',
          'video — got no frame, needs at least one — add frames first',
        );
      }
      await Promise.all([encoder.flush(), track?.flush()]).catch(fail);
      check();
      close();
      muxer.finalize();
      failure = new EngineError(
        'video/closed',
        'video — got a call after the end — create another writer',
      );
      return markedMp4(new Uint8Array(target.buffer), marking);
    },
    abort() {
      failure ??= new EngineError('video/closed', 'video — was aborted — create another writer');
      close();
      wake();
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

/** The encoder's description with the colours that the planes were made in. */
const withColour = (metadata?: EncodedVideoChunkMetadata): EncodedVideoChunkMetadata =>
  metadata?.decoderConfig
    ? { ...metadata, decoderConfig: { ...metadata.decoderConfig, colorSpace: BT709 } }
    : {};

function webCodecsHere(): WebCodecs {
  if (typeof VideoEncoder === 'undefined' || typeof VideoFrame === 'undefined') {
    throw new EngineError(
      'video/no-encoder',
      'video — got a host without WebCodecs, needs VideoEncoder — use a current browser over https',
    );
  }
  return { VideoEncoder, VideoFrame };
}

const encodingError = (cause: unknown): EngineError =>
  cause instanceof EngineError
    ? cause
    : new EngineError(
        'video/encode',
        `video — the encoder failed: ${cause instanceof Error ? cause.message : String(cause)} — try again or use a smaller size`,
        { cause },
      );

function checkFormat(width: number, height: number, fps: number): void {
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
      {
        have: fps,
      },
    );
  }
}
