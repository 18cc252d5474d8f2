/** WAV files, read without a browser: PCM of 8 to 32 bits and floats, any number of channels. */
import { EngineError } from '../gpu/errors.ts';
import type { Sound } from './sound.ts';
import { checkSound } from './sound.ts';

type Reader = (view: DataView, at: number) => number;

/** Readers by format tag (1 PCM, 3 float) and bits. */
const READERS: Readonly<Record<string, Reader>> = {
  '1/8': (view, at) => (view.getUint8(at) - 128) / 128,
  '1/16': (view, at) => view.getInt16(at, true) / 2 ** 15,
  '1/24': (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23,
  '1/32': (view, at) => view.getInt32(at, true) / 2 ** 31,
  '3/32': (view, at) => view.getFloat32(at, true),
  '3/64': (view, at) => view.getFloat64(at, true),
};

/** Format tag that says: the true one stands further on. */
const EXTENSIBLE = 0xfffe;
const MOST_CHANNELS = 32;

type Format = {
  readonly read: Reader;
  readonly bytes: number;
  readonly channels: number;
  readonly sampleRate: number;
};

/** Whether `bytes` begin as a WAV file does. */
const isWav = (bytes: Uint8Array): boolean =>
  bytes.byteLength >= 12 && textAt(bytes, 0) === 'RIFF' && textAt(bytes, 8) === 'WAVE';

/**
 * Returns the sound of a WAV file. Throws `audio/format` for anything else and for encodings other than PCM and floats,
 * `audio/truncated` for a file that ends in the middle, `audio/empty` and what else `checkSound` throws.
 */
export function readWav(bytes: Uint8Array): Sound {
  if (!isWav(bytes)) throw unknown('a file that does not begin with RIFF and WAVE');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: Format | undefined;
  for (let at = 12; at + 8 <= bytes.byteLength;) {
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    const name = textAt(bytes, at);
    if (name === 'fmt ') format = readFormat(view, start, size);
    if (name === 'data') {
      if (!format) throw unknown('samples before their format');
      return readSamples(view, start, size, format);
    }
    at = start + size + (size % 2);
  }
  throw truncated('no samples');
}

function readFormat(view: DataView, start: number, size: number): Format {
  if (size < 16 || start + size > view.byteLength) throw truncated('half a format');
  const stated = view.getUint16(start, true);
  const tag = stated === EXTENSIBLE && size >= 26 ? view.getUint16(start + 24, true) : stated;
  const channels = view.getUint16(start + 2, true);
  const bits = view.getUint16(start + 14, true);
  const read = READERS[`${tag}/${bits}`];
  if (!read || channels < 1 || channels > MOST_CHANNELS) {
    throw unknown(`encoding ${tag} of ${bits} bits, ${channels} channels`);
  }
  return { read, bytes: bits / 8, channels, sampleRate: view.getUint32(start + 4, true) };
}

function readSamples(view: DataView, start: number, size: number, format: Format): Sound {
  const { read, bytes, channels, sampleRate } = format;
  // Recorders that were stopped hard leave a length of 0 or of all ones: what is there counts.
  const open = size === 0 || size === 0xffffffff;
  const end = open ? view.byteLength : start + size;
  if (end > view.byteLength) throw truncated(`${view.byteLength - start} bytes of ${size}`);
  const count = Math.floor((end - start) / (bytes * channels));
  const sound: Sound = {
    sampleRate,
    channels: Array.from({ length: channels }, (_, c) =>
      Float32Array.from({ length: count }, (_unused, i) =>
        read(view, start + (i * channels + c) * bytes),
      ),
    ),
  };
  checkSound(sound);
  return sound;
}

const textAt = (bytes: Uint8Array, at: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + 4));

const unknown = (have: string): EngineError =>
  new EngineError(
    'audio/format',
    `sound file — got ${have}, needs a WAV file with PCM or float samples — convert it`,
  );

const truncated = (have: string): EngineError =>
  new EngineError(
    'audio/truncated',
    `sound file — got ${have}, needs a whole file — copy it again`,
  );
