/** The sound of a video: one channel at 48 kHz through the browser's own encoder (WebCodecs), AAC where there is one, else Opus. */
import { EngineError } from '../gpu/errors.ts';

/** How the sound of a video is coded. */
export type SoundCodec = 'aac' | 'opus';

/** Samples a second of every sound track: AAC and Opus both know it, and their delays stay far below a frame. */
export const SOUND_TRACK_RATE = 48_000;

/** The two classes of WebCodecs that sound needs: `globalThis` in a page or worker, stand-ins in tests. */
export type SoundWebCodecs = {
  readonly AudioEncoder: typeof AudioEncoder;
  readonly AudioData: typeof AudioData;
};

export type SoundChunk = {
  readonly data: Uint8Array;
  readonly type: EncodedAudioChunkType;
  /** Microseconds. */
  readonly timestamp: number;
  readonly duration: number;
  readonly metadata: EncodedAudioChunkMetadata | undefined;
};

/** A sound track being encoded. */
export type SoundTrack = {
  /** Adds samples, −1 … 1; resolves when there is room for more. */
  add(samples: Float32Array): Promise<void>;
  /** Resolves when all of it has been handed on. */
  flush(): Promise<void>;
  /** Frees the encoder; calling it twice does nothing. */
  close(): void;
};

const CODEC_STRINGS: Readonly<Record<SoundCodec, string>> = { aac: 'mp4a.40.2', opus: 'opus' };
const BITS_PER_SECOND: Readonly<Record<SoundCodec, number>> = { aac: 96_000, opus: 64_000 };
const PROBE_MS = 15_000;
const PROBE_SAMPLES = SOUND_TRACK_RATE / 5;
/** Pieces that may wait inside the encoder. */
const WAITING = 32;

const configOf = (codec: SoundCodec): AudioEncoderConfig => ({
  codec: CODEC_STRINGS[codec],
  sampleRate: SOUND_TRACK_RATE,
  numberOfChannels: 1,
  bitrate: BITS_PER_SECOND[codec],
});

function soundCodecsHere(): SoundWebCodecs {
  if (typeof AudioEncoder === 'undefined' || typeof AudioData === 'undefined') {
    throw missing('a host without AudioEncoder');
  }
  return { AudioEncoder, AudioData };
}

/** Resolves to the codec of `allowed` that really encodes a moment of silence. Throws `video/no-sound-encoder`. */
export async function workingSoundCodec(
  codecs: SoundWebCodecs = soundCodecsHere(),
  allowed: readonly SoundCodec[] = ['aac', 'opus'],
): Promise<{ readonly codec: SoundCodec; readonly codecs: SoundWebCodecs }> {
  const reasons: string[] = [];
  for (const codec of allowed) {
    try {
      await probe(codec, codecs);
      return { codec, codecs };
    } catch (error) {
      reasons.push(`${codec}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw missing(`no working sound encoder (${reasons.join('; ')})`);
}

const missing = (have: string): EngineError =>
  new EngineError(
    'video/no-sound-encoder',
    `sound of the video — got ${have}, needs AAC or Opus — use another browser`,
  );

async function probe(codec: SoundCodec, codecs: SoundWebCodecs): Promise<void> {
  let chunks = 0;
  let described = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let track: SoundTrack | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${PROBE_MS} ms`)), PROBE_MS);
      const take = ({ metadata }: SoundChunk): void => {
        chunks++;
        described ||= metadata?.decoderConfig !== undefined;
      };
      track = openSoundTrack(codec, codecs, take, reject);
      track
        .add(new Float32Array(PROBE_SAMPLES))
        .then(() => track?.flush())
        .then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    track?.close();
  }
  if (chunks === 0 || !described) throw new Error(`${chunks} chunks came back`);
}

/** Returns a track whose chunks go to `take`, the first one at time 0. `fail` hears of an encoder that gave up. */
export function openSoundTrack(
  codec: SoundCodec,
  { AudioEncoder: Encoder, AudioData: Data }: SoundWebCodecs,
  take: (chunk: SoundChunk) => void,
  fail: (cause: unknown) => void,
): SoundTrack {
  let samplesIn = 0;
  let start: number | undefined;
  let wake = (): void => undefined;
  let failed = false;
  const giveUp = (cause: unknown): void => {
    failed = true;
    fail(cause);
    wake();
  };
  const encoder = new Encoder({
    output: (chunk, metadata) => {
      try {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const { type, duration } = chunk;
        start ??= chunk.timestamp;
        const timestamp = chunk.timestamp - start;
        take({ data, type, timestamp, duration: duration ?? 20_000, metadata });
      } catch (cause) {
        giveUp(cause);
      }
    },
    error: giveUp,
  });
  encoder.addEventListener('dequeue', () => wake());
  encoder.configure(configOf(codec));
  return {
    async add(samples) {
      if (samples.length === 0) return;
      const data = new Data({
        format: 'f32-planar',
        sampleRate: SOUND_TRACK_RATE,
        numberOfFrames: samples.length,
        numberOfChannels: 1,
        timestamp: Math.round((samplesIn * 1e6) / SOUND_TRACK_RATE),
        data: samples.slice(),
      });
      samplesIn += samples.length;
      try {
        encoder.encode(data);
      } catch (cause) {
        giveUp(cause);
      } finally {
        data.close();
      }
      while (!failed && encoder.encodeQueueSize > WAITING) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    flush: () => encoder.flush(),
    close() {
      if (encoder.state !== 'closed') encoder.close();
    },
  };
}
