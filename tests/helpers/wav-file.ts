/** Writes WAV files for tests, in every encoding that is read. */

export type Encoding = '1/8' | '1/16' | '1/24' | '1/32' | '3/32' | '3/64';

const WRITERS: Readonly<Record<Encoding, (view: DataView, at: number, x: number) => void>> = {
  '1/8': (view, at, x) => view.setUint8(at, Math.round(x * 127) + 128),
  '1/16': (view, at, x) => view.setInt16(at, Math.round(x * 32_767), true),
  '1/24': (view, at, x) => {
    const value = Math.round(x * (2 ** 23 - 1));
    view.setUint16(at, value & 0xffff, true);
    view.setInt8(at + 2, value >> 16);
  },
  '1/32': (view, at, x) => view.setInt32(at, Math.round(x * (2 ** 31 - 1)), true),
  '3/32': (view, at, x) => view.setFloat32(at, x, true),
  '3/64': (view, at, x) => view.setFloat64(at, x, true),
};

/** Returns a WAV file; `before` puts a chunk of so many bytes in front of the format, `tag` states another encoding. */
export function wavFile(
  channels: readonly Float32Array[],
  sampleRate: number,
  encoding: Encoding,
  {
    extensible = false,
    before = 0,
    tag,
  }: { extensible?: boolean; before?: number; tag?: number } = {},
): Uint8Array<ArrayBuffer> {
  const [kind = 1, bits = 16] = encoding.split('/').map(Number);
  const length = channels[0]?.length ?? 0;
  const format = extensible ? 40 : 16;
  const chunk = before > 0 ? 8 + before + (before % 2) : 0;
  const data = (length * channels.length * bits) / 8;
  const bytes = new Uint8Array(12 + chunk + 8 + format + 8 + data);
  const view = new DataView(bytes.buffer);
  const text = (at: number, value: string): void =>
    Array.from(value, (c) => c.charCodeAt(0)).forEach((code, i) => view.setUint8(at + i, code));
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVE');
  if (before > 0) {
    text(12, 'LIST');
    view.setUint32(16, before, true);
  }
  let at = 12 + chunk;
  text(at, 'fmt ');
  view.setUint32(at + 4, format, true);
  view.setUint16(at + 8, extensible ? 0xfffe : (tag ?? kind), true);
  view.setUint16(at + 10, channels.length, true);
  view.setUint32(at + 12, sampleRate, true);
  view.setUint32(at + 16, (sampleRate * channels.length * bits) / 8, true);
  view.setUint16(at + 20, (channels.length * bits) / 8, true);
  view.setUint16(at + 22, bits, true);
  if (extensible) view.setUint16(at + 32, kind, true);
  at += 8 + format;
  text(at, 'data');
  view.setUint32(at + 4, data, true);
  at += 8;
  for (let i = 0; i < length; i++) {
    for (const channel of channels) {
      WRITERS[encoding](view, at, channel[i] ?? 0);
      at += bits / 8;
    }
  }
  return bytes;
}
