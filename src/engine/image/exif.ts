/** How a stored picture must be turned to stand upright: the orientation tag of EXIF. */
import type { ByteReader } from './byte-reader.ts';

/**
 * EXIF orientation: 1 upright, 2 mirrored left-right, 3 turned by 180°, 4 mirrored top-bottom, 5 transposed,
 * 6 to be turned clockwise by 90°, 7 transposed on the other diagonal, 8 to be turned anticlockwise by 90°.
 */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 0x0112;

/** Returns `value` as an orientation, 1 for anything that is none. */
const orientationOf = (value: number): Orientation =>
  Number.isInteger(value) && value >= 1 && value <= 8 ? (value as Orientation) : 1;

/**
 * Returns the orientation from an EXIF block of `length` bytes at `start`, with or without its "Exif" prefix.
 * A broken block counts as upright, as viewers do: the picture itself may be fine.
 */
export function exifOrientation(reader: ByteReader, start: number, length: number): Orientation {
  const end = Math.min(start + length, reader.length);
  const has = (at: number, count: number): boolean => at >= start && at + count <= end;
  const base = has(start, 6) && reader.text(start, 6) === 'Exif\0\0' ? start + 6 : start;
  if (!has(base, 8)) return 1;
  const order = reader.text(base, 2);
  if (order !== 'II' && order !== 'MM') return 1;
  const little = order === 'II';
  const directory = base + reader.u32(base + 4, little);
  if (!has(directory, 2)) return 1;
  const count = reader.u16(directory, little);
  for (let i = 0; i < count && has(directory + 2 + 12 * i, 12); i++) {
    const entry = directory + 2 + 12 * i;
    if (reader.u16(entry, little) === ORIENTATION_TAG) {
      return orientationOf(reader.u16(entry + 8, little));
    }
  }
  return 1;
}
