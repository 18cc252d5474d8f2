/** Weights on their way in, some rows at a time, so that no tensor is ever whole in memory. */

/** Where values come from in pieces: see `WeightStore.pieces`. */
export type Pieces = AsyncIterable<Float32Array>;

/** Rows `first` and following of a matrix. */
export type Slab = { readonly first: number; readonly rows: number; readonly values: Float32Array };

/** Values of a slab, unless a single row has more. */
export const SLAB_VALUES = 2 ** 21;
/** Rows of a slab: what one axis of a dispatch can count. */
const MOST_ROWS = 65_535;

/**
 * Yields a matrix [rows, width] in slabs of whole rows from values that come in pieces of any length, in order. Rows that
 * lie whole in a piece are not copied; a slab's values are good until the next one is asked for.
 */
export async function* slabsOf(pieces: Pieces, width: number): AsyncGenerator<Slab, void, void> {
  const most = Math.min(MOST_ROWS, Math.max(1, Math.floor(SLAB_VALUES / width)));
  const begun = new Float32Array(width); // a row whose end is still to come
  let filled = 0;
  let first = 0;
  for await (const piece of pieces) {
    let at = 0;
    while (at < piece.length) {
      const whole = filled > 0 ? 0 : Math.min(most, Math.floor((piece.length - at) / width));
      if (whole > 0) {
        yield { first, rows: whole, values: piece.subarray(at, at + whole * width) };
        first += whole;
        at += whole * width;
        continue;
      }
      const taken = piece.subarray(at, at + width - filled);
      begun.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < width) break;
      yield { first, rows: 1, values: begun };
      first += 1;
      filled = 0;
    }
  }
}
