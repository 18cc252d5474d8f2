/** Bounds-checked reads from the bytes of a picture: past the end is `image/truncated`, never a RangeError. */
import { EngineError } from '../gpu/errors.ts';

export type ByteReader = {
  readonly length: number;
  /** Throws `image/truncated` unless `count` bytes follow from `at` on. */
  need(at: number, count: number): void;
  u8(at: number): number;
  u16(at: number, littleEndian?: boolean): number;
  u32(at: number, littleEndian?: boolean): number;
  /** Latin-1 text of `count` bytes. */
  text(at: number, count: number): string;
};

/** Returns a reader over `bytes`. */
export function byteReader(bytes: Uint8Array): ByteReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (at: number, count: number): void => {
    if (at >= 0 && at + count <= bytes.byteLength) return;
    throw new EngineError(
      'image/truncated',
      `picture — got ${bytes.byteLength} bytes, needs at least ${at + count} — copy or download the file again`,
      { have: bytes.byteLength, need: at + count },
    );
  };
  const checked =
    (size: number, read: (at: number, littleEndian?: boolean) => number) =>
    (at: number, littleEndian = false): number => {
      need(at, size);
      return read(at, littleEndian);
    };
  return {
    length: bytes.byteLength,
    need,
    u8: checked(1, (at) => view.getUint8(at)),
    u16: checked(2, (at, little) => view.getUint16(at, little)),
    u32: checked(4, (at, little) => view.getUint32(at, little)),
    text(at, count) {
      need(at, count);
      return String.fromCharCode(...bytes.subarray(at, at + count));
    },
  };
}

/** Returns the error for a picture whose structure makes no sense. */
export const damaged = (format: string, detail: string): EngineError =>
  new EngineError(
    'image/damaged',
    `${format} picture — got ${detail}, needs a well-formed file — export it again`,
  );
