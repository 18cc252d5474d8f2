import { describe, expect, it } from 'vitest';
import { codecChoices } from '../../src/engine/video/codecs.ts';
import type { WebCodecs } from '../../src/engine/video/encoder-probe.ts';
import { boxesAt, u32At } from '../../src/engine/video/mp4-boxes.ts';
import { createMp4Writer } from '../../src/engine/video/mp4-writer.ts';
import { readMp4Tags } from '../../src/engine/video/mp4-metadata.ts';
import type { SoundWebCodecs } from '../../src/engine/video/sound-track.ts';
import { rgbaToI420 } from '../../src/engine/video/yuv.ts';

type Behaviour = {
  /** Codec strings that fail, at `configure` or only when a frame comes. */
  readonly refuses?: RegExp;
  readonly breaksOnFrame?: RegExp;
  /** Frames after which the second encoder, the real one, fails. */
  readonly breaksAfter?: number;
};

/** Encoders that store what they are told; enough of WebCodecs to drive the writer in Node. */
function webCodecs(behaviour: Behaviour = {}) {
  const log = {
    configured: [] as VideoEncoderConfig[],
    frames: [] as VideoFrameBufferInit[],
    open: 0,
  };
  class Frame {
    readonly init: VideoFrameBufferInit;
    constructor(_data: unknown, init: VideoFrameBufferInit) {
      this.init = init;
      log.open++;
    }
    close() {
      log.open--;
    }
  }
  class Encoder extends EventTarget {
    state = 'unconfigured';
    encodeQueueSize = 0;
    #codec = '';
    #frames = 0;
    #broken = false;
    readonly #init: VideoEncoderInit;
    constructor(init: VideoEncoderInit) {
      super();
      this.#init = init;
    }
    configure(config: VideoEncoderConfig) {
      log.configured.push(config);
      this.#codec = config.codec;
      this.state = 'configured';
      if (behaviour.refuses?.test(config.codec)) this.#fail('not supported');
    }
    encode(frame: Frame, { keyFrame }: VideoEncoderEncodeOptions) {
      if (this.state !== 'configured') throw new DOMException('closed', 'InvalidStateError');
      if (this.#broken) return;
      const isReal = log.frames.length >= 2 || behaviour.breaksAfter === undefined;
      if (behaviour.breaksOnFrame?.test(this.#codec)) return this.#fail('no such size');
      if (isReal && this.#frames === behaviour.breaksAfter) return this.#fail('out of memory');
      this.encodeQueueSize++;
      const index = this.#frames++;
      log.frames.push(frame.init);
      queueMicrotask(() => {
        const chunk = {
          type: keyFrame ? 'key' : 'delta',
          timestamp: frame.init.timestamp,
          duration: frame.init.duration ?? 0,
          byteLength: 10,
          copyTo: (bytes: Uint8Array) => bytes.fill(index),
        };
        const description = Uint8Array.of(1, 100, 0, 30, 255, 224);
        const metadata = keyFrame ? { decoderConfig: { codec: this.#codec, description } } : {};
        this.#init.output(chunk as unknown as EncodedVideoChunk, metadata);
        this.encodeQueueSize--;
        this.dispatchEvent(new Event('dequeue'));
      });
    }
    async flush() {
      await Promise.resolve();
      if (this.state === 'closed') throw new DOMException('aborted', 'AbortError');
    }
    close() {
      this.state = 'closed';
    }
    #fail(message: string) {
      this.#broken = true;
      queueMicrotask(() => {
        this.state = 'closed';
        this.#init.error(new DOMException(message, 'EncodingError'));
      });
    }
  }
  const classes = { VideoEncoder: Encoder, VideoFrame: Frame } as unknown as WebCodecs;
  return { log, classes };
}

const options = { width: 32, height: 16, fps: 24, marking: { tool: 'Zoetrope 1.0' } };
const frame = new Uint8Array(32 * 16 * 4).fill(128);

/** Version 1, one channel, 312 samples to skip, 48 kHz, no gain, no mapping. */
const OPUS_HEAD = new TextEncoder().encode(
  'OpusHead\u0001\u00018\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000',
);

/** Sound encoders that make a chunk of every 1024 samples; `refuses` are those that fail. */
function soundCodecs(refuses = /^$/, offset = 0) {
  const log = { samples: 0, open: 0 };
  class Data {
    readonly init: AudioDataInit;
    constructor(init: AudioDataInit) {
      this.init = init;
      log.open++;
    }
    close() {
      log.open--;
    }
  }
  class Encoder extends EventTarget {
    state = 'unconfigured';
    encodeQueueSize = 0;
    #codec = '';
    #pending = 0;
    #chunks = 0;
    readonly #init: AudioEncoderInit;
    constructor(init: AudioEncoderInit) {
      super();
      this.#init = init;
    }
    configure(config: AudioEncoderConfig) {
      this.#codec = config.codec;
      this.state = 'configured';
    }
    encode({ init }: Data) {
      if (refuses.test(this.#codec)) throw new DOMException('not supported', 'NotSupportedError');
      log.samples += init.numberOfFrames;
      for (this.#pending += init.numberOfFrames; this.#pending >= 1024; this.#pending -= 1024)
        this.#emit();
    }
    async flush() {
      await Promise.resolve();
      if (this.#pending > 0) this.#emit();
      this.#pending = 0;
    }
    close() {
      this.state = 'closed';
    }
    #emit() {
      const chunk = {
        ...{ type: 'key', byteLength: 4, duration: (1024e6 / 48_000) | 0 },
        timestamp: offset + Math.round((this.#chunks * 1024e6) / 48_000),
        copyTo: (bytes: Uint8Array) => bytes.fill(this.#chunks),
      };
      const decoderConfig = {
        ...{ codec: this.#codec, numberOfChannels: 1, sampleRate: 48_000 },
        description: this.#codec === 'opus' ? OPUS_HEAD : Uint8Array.of(17, 136),
      };
      this.#chunks++;
      this.#init.output(chunk as unknown as EncodedAudioChunk, { decoderConfig });
    }
  }
  const webCodecs = { AudioEncoder: Encoder, AudioData: Data } as unknown as SoundWebCodecs;
  return { log, webCodecs };
}

describe('sound in an MP4 file', () => {
  const tracksOf = (file: Uint8Array): { kind: string; seconds: number }[] =>
    boxesAt(file, ['moov', 'trak', 'mdia']).map((media) => {
      const [header] = boxesAt(file, ['mdhd'], media);
      const [handler] = boxesAt(file, ['hdlr'], media);
      const at = header?.start ?? 0;
      const long = file[at] === 1; // version 1 has times of 64 bits
      const scale = u32At(file, at + (long ? 20 : 12));
      const length = long ? u32At(file, at + 28) : u32At(file, at + 16);
      const kind = String.fromCharCode(
        ...file.subarray((handler?.start ?? 0) + 8, (handler?.start ?? 0) + 12),
      );
      return { kind, seconds: length / scale };
    });

  it('lasts as long as the frames, to within one of them, in AAC or else in Opus', async () => {
    for (const [refuses, codec] of [
      [/^$/, 'aac'],
      [/mp4a/, 'opus'],
    ] as const) {
      const { log, webCodecs: sound } = soundCodecs(refuses, 6500);
      const writer = await createMp4Writer({
        ...options,
        ...{ fps: 16, webCodecs: webCodecs().classes, sound: { webCodecs: sound } },
      });
      expect(writer.soundCodec).toBe(codec);
      for (let i = 0; i < 40; i++) {
        await writer.addSound(new Float32Array(3000));
        await writer.addFrame(frame);
      }
      const tracks = tracksOf(await writer.finish());
      expect(tracks.map(({ kind }) => kind)).toEqual(['vide', 'soun']);
      for (const { seconds } of tracks) expect(Math.abs(seconds - 2.5)).toBeLessThan(1 / 16);
      expect(log.open).toBe(0);
    }
  });

  it('is refused by name without an encoder, and without a track', async () => {
    const base = { ...options, webCodecs: webCodecs().classes };
    const { webCodecs: broken } = soundCodecs(/./);
    await expect(createMp4Writer({ ...base, sound: { webCodecs: broken } })).rejects.toMatchObject({
      code: 'video/no-sound-encoder',
    });
    await expect(createMp4Writer({ ...base, sound: {} })).rejects.toMatchObject({
      code: 'video/no-sound-encoder',
    });
    const writer = await createMp4Writer({ ...base, webCodecs: webCodecs().classes });
    await expect(writer.addSound(new Float32Array(10))).rejects.toMatchObject({
      code: 'video/silent',
    });
  });
});

describe('createMp4Writer', () => {
  it('writes frames at their times, closes each, and marks the file', async () => {
    const { log, classes } = webCodecs();
    const writer = await createMp4Writer({
      ...options,
      webCodecs: classes,
      marking: {
        tool: 'Zoetrope 1.0',
        settings: { seed: 3 },
      },
    });
    expect(writer).toMatchObject({ codec: 'avc', codecString: 'avc1.64001e' });
    for (let i = 0; i < 30; i++) await writer.addFrame(frame);
    const file = await writer.finish();
    expect([...readMp4Tags(file).keys()].sort()).toEqual([
      'AIGC',
      'DigitalSourceType',
      'comment',
      'tool',
    ]);
    const real = log.frames.slice(2);
    expect(real.map(({ timestamp }) => timestamp)).toEqual(
      Array.from({ length: 30 }, (_, i) => Math.round((i * 1e6) / 24)),
    );
    expect(real[0]?.colorSpace).toMatchObject({ matrix: 'bt709', fullRange: false });
    expect(log.open).toBe(0);
  });

  it('gives the same bytes for the same frames', async () => {
    const write = async () => {
      const writer = await createMp4Writer({ ...options, webCodecs: webCodecs().classes });
      await writer.addFrame(frame);
      return writer.finish();
    };
    expect(await write()).toEqual(await write());
  });

  it.each([
    [{ refuses: /^avc1.64/ }, 'avc1.4d001e'],
    [{ breaksOnFrame: /^avc/ }, 'vp09.00.21.08'],
    [{ refuses: /^avc/, breaksOnFrame: /^vp/ }, 'av01.0.01M.08'],
  ])('falls back when %o', async (behaviour, codecString) => {
    const writer = await createMp4Writer({ ...options, webCodecs: webCodecs(behaviour).classes });
    expect(writer.codecString).toBe(codecString);
    writer.abort();
  });

  it('says what every encoder answered when none works', async () => {
    const { classes } = webCodecs({ refuses: /^[^v]/, breaksOnFrame: /^v/ });
    await expect(createMp4Writer({ ...options, webCodecs: classes })).rejects.toMatchObject({
      code: 'video/no-encoder',
      message: expect.stringMatching(/avc1\.64001e: not supported.*vp09\.00\.21\.08: no such size/),
    });
    await expect(createMp4Writer(options)).rejects.toMatchObject({ code: 'video/no-encoder' });
  });

  it('reports a failure in the middle as a typed error, and writes nothing', async () => {
    const { classes } = webCodecs({ breaksAfter: 3 });
    const writer = await createMp4Writer({ ...options, webCodecs: classes });
    const add = async () => {
      for (let i = 0; i < 6; i++) await writer.addFrame(frame);
    };
    await expect(add()).rejects.toMatchObject({ code: 'video/encode' });
    await expect(writer.finish()).rejects.toMatchObject({ code: 'video/encode' });
  });

  it('refuses odd sizes, frames of another size, no frames, and calls after the end', async () => {
    const { classes } = webCodecs();
    const size = { ...options, width: 31, webCodecs: classes };
    await expect(createMp4Writer(size)).rejects.toMatchObject({ code: 'video/size' });
    const slow = { ...options, fps: 0, webCodecs: classes };
    await expect(createMp4Writer(slow)).rejects.toMatchObject({ code: 'video/fps' });
    const writer = await createMp4Writer({ ...options, webCodecs: classes });
    await expect(writer.addFrame(frame.subarray(4))).rejects.toMatchObject({ code: 'video/frame' });
    await expect(writer.finish()).rejects.toMatchObject({ code: 'video/empty' });
    await writer.addFrame(frame);
    await writer.finish();
    await expect(writer.addFrame(frame)).rejects.toMatchObject({ code: 'video/closed' });
    writer.abort();
    const aborted = await createMp4Writer({ ...options, webCodecs: classes });
    aborted.abort();
    await expect(aborted.finish()).rejects.toMatchObject({ code: 'video/closed' });
  });
});

describe('codec strings', () => {
  it.each([
    [768, 512, 24, ['avc1.64001e', 'vp09.00.30.08', 'av01.0.04M.08']],
    [1280, 720, 24, ['avc1.64001f', 'vp09.00.31.08', 'av01.0.05M.08']],
    [1920, 1080, 30, ['avc1.640028', 'vp09.00.40.08', 'av01.0.08M.08']],
    [3840, 2160, 30, ['avc1.640033', 'vp09.00.50.08', 'av01.0.12M.08']],
    [16384, 16384, 60, ['avc1.640034', 'vp09.00.51.08', 'av01.0.13M.08']],
  ])('%d × %d at %d', (width, height, fps, want) => {
    const all = codecChoices(width, height, fps).map(({ codecString }) => codecString);
    expect([all[0], ...all.slice(3)]).toEqual(want);
    expect(all).toHaveLength(5);
  });
});

describe('rgbaToI420', () => {
  it.each([
    // Y, Cb, Cr of BT.709 in limited range
    ['white', [255, 255, 255], [235, 128, 128]],
    ['black', [0, 0, 0], [16, 128, 128]],
    ['grey', [128, 128, 128], [126, 128, 128]],
    ['red', [255, 0, 0], [63, 102, 240]],
    ['green', [0, 255, 0], [173, 42, 26]],
    ['blue', [0, 0, 255], [32, 240, 118]],
  ])('%s', (_name, rgb, yuv) => {
    const rgba = Uint8Array.from({ length: 4 * 8 }, (_, i) => rgb[i % 4] ?? 255);
    const [y = 0, cb = 0, cr = 0] = yuv;
    expect([...rgbaToI420(rgba, 4, 2)]).toEqual([y, y, y, y, y, y, y, y, cb, cb, cr, cr]);
  });

  it('averages colour over 2 × 2 pixels and keeps brightness apart', () => {
    const rgba = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 255);
    expect([...rgbaToI420(rgba, 2, 2)]).toEqual([235, 16, 16, 235, 128, 128]);
  });
});
