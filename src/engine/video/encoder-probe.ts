/** Finds a codec that this browser can really encode at a given size: `isConfigSupported` promises too much. */
import { EngineError } from '../gpu/errors.ts';
import { codecChoices } from './codecs.ts';
import type { CodecChoice } from './codecs.ts';
import { i420Bytes } from './yuv.ts';
import type { VideoCodec } from './writer.ts';

/** The two classes of WebCodecs that writing needs: `globalThis` in a page or worker, stand-ins in tests. */
export type WebCodecs = {
  readonly VideoEncoder: typeof VideoEncoder;
  readonly VideoFrame: typeof VideoFrame;
};

export type VideoFormat = {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly bitsPerSecond: number;
};

export const BT709: Required<VideoColorSpaceInit> = {
  primaries: 'bt709',
  transfer: 'bt709',
  matrix: 'bt709',
  fullRange: false,
};

/** An encoder that hangs must not hang the whole export. */
const PROBE_MS = 15_000;

/** Returns the settings of an encoder for `choice`. */
export const encoderConfig = (
  { codec, codecString }: CodecChoice,
  { width, height, fps, bitsPerSecond }: VideoFormat,
): VideoEncoderConfig => ({
  codec: codecString,
  width,
  height,
  framerate: fps,
  bitrate: bitsPerSecond,
  latencyMode: 'quality',
  ...(codec === 'avc' && { avc: { format: 'avc' } }),
});

/** Returns frame `index` over I420 planes. */
export const videoFrame = (
  { VideoFrame }: WebCodecs,
  planes: Uint8ClampedArray<ArrayBuffer>,
  { width, height, fps }: VideoFormat,
  index: number,
): VideoFrame =>
  new VideoFrame(planes, {
    format: 'I420',
    codedWidth: width,
    codedHeight: height,
    timestamp: Math.round((index * 1e6) / fps),
    duration: Math.round(1e6 / fps),
    colorSpace: BT709,
  });

/** Resolves when two frames went through an encoder of `choice`; rejects with what went wrong. */
async function tryChoice(
  choice: CodecChoice,
  format: VideoFormat,
  codecs: WebCodecs,
): Promise<void> {
  let chunks = 0;
  let described = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let encoder: VideoEncoder | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${PROBE_MS} ms`)), PROBE_MS);
      encoder = new codecs.VideoEncoder({
        output: (_chunk, metadata) => {
          chunks++;
          described ||= metadata?.decoderConfig !== undefined;
        },
        error: reject,
      });
      encoder.configure(encoderConfig(choice, format));
      for (const index of [0, 1]) {
        const planes = new Uint8ClampedArray(i420Bytes(format.width, format.height));
        planes.fill(64 + 64 * index);
        const frame = videoFrame(codecs, planes, format, index);
        encoder.encode(frame, { keyFrame: index === 0 });
        frame.close();
      }
      encoder.flush().then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    if (encoder && encoder.state !== 'closed') encoder.close();
  }
  if (chunks < 2 || !described) throw new Error(`${chunks} of 2 frames came back`);
}

/**
 * Returns the first codec of `allowed` that encodes two frames of this very size, in the order H.264, VP9, AV1.
 * Throws `video/no-encoder` when none does, with what each one said.
 */
export async function workingCodec(
  format: VideoFormat,
  codecs: WebCodecs,
  allowed: readonly VideoCodec[] = ['avc', 'vp9', 'av1'],
): Promise<CodecChoice> {
  const reasons: string[] = [];
  for (const choice of codecChoices(format.width, format.height, format.fps)) {
    if (!allowed.includes(choice.codec)) continue;
    try {
      await tryChoice(choice, format, codecs);
      return choice;
    } catch (error) {
      reasons.push(
        `${choice.codecString}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  throw new EngineError(
    'video/no-encoder',
    `video ${format.width} × ${format.height} — got no working encoder (${reasons.join('; ')}), needs one of ${allowed.join(', ')} — use a smaller size or another browser`,
  );
}
