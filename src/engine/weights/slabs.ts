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
 * Yields a matrix [rows, width] in slabs of whole rows from values that come in pieces of any length, in order. A slab's
 * values are good until the next one is asked for.
 */
export async function* slabsOf(pieces: Pieces, width: number): AsyncGenerator<Slab, void, void> {
  const rows = Math.min(MOST_ROWS, Math.max(1, Math.floor(SLAB_VALUES / width)));
  const values = new Float32Array(rows * width);
  let first = 0;
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const taken = piece.subarray(at, at + values.length - filled);
      values.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < values.length) continue;
      yield { first, rows, values };
      first += rows;
      filled = 0;
    }
  }
  if (filled > 0) yield { first, rows: filled / width, values: values.subarray(0, filled) };
}
