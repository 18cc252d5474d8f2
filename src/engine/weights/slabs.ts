/** Weights on their way in, some rows at a time, so that no tensor is ever whole in memory. */
import { isBlockType } from './block-types.ts';
import type { DecodedType } from '../kernels/decode-weights.ts';
import type { ByteRange } from './byte-stream.ts';
import { unitOf } from './dtype.ts';
import type { StoredDtype } from './dtype.ts';

/** Where values come from in pieces: see `WeightStore.pieces`. */
export type Pieces = AsyncIterable<Float32Array>;

/** A weight as it is stored: where its bytes lie. */
export type StoredValues = {
  readonly dtype: StoredDtype;
  readonly bytes: ByteRange;
  readonly factors?: StoredFactors | undefined;
};

/** What values are multiplied by: where that is stored, and the numbers in those bytes, one for all or one for each row of the first axis. */
export type StoredFactors = {
  readonly bytes: ByteRange;
  readonly values: (bytes: Uint8Array) => Float32Array;
};

/** Rows `first` and following of a matrix, as they are stored. */
export type Slab = {
  readonly first: number;
  readonly rows: number;
  readonly dtype: DecodedType;
  readonly bytes: Uint8Array;
  /** What the values of each row are multiplied by. */
  readonly factors?: Float32Array<ArrayBuffer> | undefined;
};

/** Values of a slab, unless a single row has more. */
export const SLAB_VALUES = 2 ** 22;
/** Rows of a slab as kernels count them: as many as one axis of a dispatch can. */
const MOST_ROWS = 65_535;

const ONE_BY_ONE: readonly string[] = [
  'F32',
  'F16',
  'BF16',
  'F8_E4M3',
  'F8_E5M2',
  'I8',
] satisfies DecodedType[];

/** Whether the device decodes rows of `width` values that are stored so. */
export const isDecoded = (dtype: StoredDtype, width: number): dtype is DecodedType =>
  ONE_BY_ONE.includes(dtype) || (isBlockType(dtype) && width % unitOf(dtype).values === 0);

/** Returns the rows of a slab of a matrix whose rows have `width` values and count as `taps` rows each. */
export const rowsOfSlab = (width: number, taps = 1): number =>
  Math.max(1, Math.min(Math.floor(MOST_ROWS / taps), Math.floor(SLAB_VALUES / width)));

/**
 * Yields rows as they are stored from pieces of whole rows, `rowBytes` each, with their factors; there are `count` rows in all.
 */
export async function* storedSlabs(
  pieces: AsyncIterable<Uint8Array>,
  dtype: DecodedType,
  { rowBytes, count }: { readonly rowBytes: number; readonly count: number },
  all: Float32Array | undefined,
): AsyncGenerator<Slab, void, void> {
  let first = 0;
  for await (const bytes of pieces) {
    const rows = bytes.byteLength / rowBytes;
    const factorOf = (_: unknown, r: number): number =>
      all?.[Math.floor(((first + r) * all.length) / count)] ?? 1;
    yield {
      first,
      rows,
      dtype,
      bytes,
      factors: all && Float32Array.from({ length: rows }, factorOf),
    };
    first += rows;
  }
}

/**
 * Yields rows of `width` values, `most` at a time, from values that come in pieces of any length, in order. Rows that lie
 * whole in a piece are not copied; a slab's values are good until the next one is asked for.
 */
export async function* slabsOf(
  pieces: Pieces,
  width: number,
  most = rowsOfSlab(width),
): AsyncGenerator<Slab, void, void> {
  const begun = new Float32Array(width); // a row whose end is still to come
  let filled = 0;
  let first = 0;
  for await (const piece of pieces) {
    let at = 0;
    while (at < piece.length) {
      const whole = filled > 0 ? 0 : Math.min(most, Math.floor((piece.length - at) / width));
      if (whole > 0) {
        yield slabOf(first, whole, piece.subarray(at, at + whole * width));
        first += whole;
        at += whole * width;
        continue;
      }
      const taken = piece.subarray(at, at + width - filled);
      begun.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < width) break;
      yield slabOf(first, 1, begun);
      first += 1;
      filled = 0;
    }
  }
}

const slabOf = (first: number, rows: number, values: Float32Array): Slab => ({
  ...{ first, rows, dtype: 'F32' },
  bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});
