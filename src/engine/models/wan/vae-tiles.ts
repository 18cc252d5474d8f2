/** Tiles of a video: cut out, processed one by one, blended where they overlap and put together again. */

/** Values [T, H, W, C], row-major. */
export type Volume = {
  readonly values: Float32Array;
  readonly shape: readonly [T: number, H: number, W: number, C: number];
};

/** Length of tiles along one side, and how far the next one begins; they overlap by the difference. */
export type Span = { readonly tile: number; readonly stride: number };

export type Tiling = { readonly rows: Span; readonly columns: Span };

/** Returns the tiling in units that are `factor` times smaller. */
export function scaleTiling({ rows, columns }: Tiling, factor: number): Tiling {
  const scale = ({ tile, stride }: Span): Span => ({
    tile: tile * factor,
    stride: stride * factor,
  });
  return { rows: scale(rows), columns: scale(columns) };
}

/** Whether frames of this size take more than one tile. */
export const needsTiles = (H: number, W: number, { rows, columns }: Tiling): boolean =>
  H > rows.tile || W > columns.tile;

/** Returns where tiles begin along a side of `length`. */
export const startsOf = (length: number, { stride }: Span): number[] =>
  Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride);

/** Returns the tile that begins at (y, x) of every frame, cut off at the border. */
export function cut(
  { values, shape }: Volume,
  y: number,
  x: number,
  { rows, columns }: Tiling,
): Volume {
  const [T, H, W, C] = shape;
  const [h, w] = [Math.min(rows.tile, H - y), Math.min(columns.tile, W - x)];
  const part = new Float32Array(T * h * w * C);
  for (let row = 0; row < T * h; row++) {
    const first = ((Math.floor(row / h) * H + y + (row % h)) * W + x) * C;
    part.set(values.subarray(first, first + w * C), row * w * C);
  }
  return { values: part, shape: [T, h, w, C] };
}

/**
 * Puts processed tiles together. Neighbours are mixed linearly where they overlap, first with the tile above, then
 * with the tile on the left; of each tile the corner of one stride by one stride stays. The mix changes in steps of
 * `grain` pixels: 1, or the patch size of a network that works on patches. Of a tile nothing is kept beside the whole but
 * the edges that others overlap with.
 */
export class Mosaic {
  readonly #whole: Volume;
  readonly #tiling: Tiling;
  readonly #grain: number;
  /** Lower edges of the last tiles, one a column. */
  readonly #above: Volume[] = [];
  /** Right edge of the last tile in this row. */
  #left: Volume | undefined;
  #y = 0;
  #x = 0;

  constructor(shape: Volume['shape'], tiling: Tiling, grain: number) {
    this.#whole = { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
    this.#tiling = tiling;
    this.#grain = grain;
  }

  /** The whole, complete once every tile was added. */
  get volume(): Volume {
    return this.#whole;
  }

  /** Adds the next tile, row after row from left to right. Changes its values. */
  add(tile: Volume): void {
    const { rows, columns } = this.#tiling;
    const column = this.#x / columns.stride;
    const above = this.#above[column];
    if (above) this.#mix(above, tile, 1);
    if (this.#left) this.#mix(this.#left, tile, 2);
    this.#place(tile, this.#x);
    this.#above[column] = edgeOf(tile, 1, rows);
    this.#left = edgeOf(tile, 2, columns);
    this.#x += columns.stride;
    if (this.#x < this.#whole.shape[2]) return;
    this.#x = 0;
    this.#y += rows.stride;
    this.#left = undefined;
  }

  /** Mixes the end of `before` into the start of `tile` along an axis: 1 rows, 2 columns. */
  #mix(before: Volume, tile: Volume, axis: 1 | 2): void {
    const [T, H, W, C] = tile.shape;
    const [, bH, bW] = before.shape;
    const { tile: length, stride } = axis === 1 ? this.#tiling.rows : this.#tiling.columns;
    const extent = Math.min(before.shape[axis], tile.shape[axis], length - stride);
    const [rows, columns] = axis === 1 ? [extent, Math.min(W, bW)] : [Math.min(H, bH), extent];
    const [dy, dx] = axis === 1 ? [bH - extent, 0] : [0, bW - extent];
    for (let t = 0; t < T; t++) {
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const share = stepOf(axis === 1 ? y : x, this.#grain) / extent;
          const at = ((t * H + y) * W + x) * C;
          const other = ((t * bH + y + dy) * bW + x + dx) * C;
          for (let c = 0; c < C; c++) {
            const old = before.values[other + c] ?? 0;
            tile.values[at + c] = old * (1 - share) + (tile.values[at + c] ?? 0) * share;
          }
        }
      }
    }
  }

  #place({ values, shape }: Volume, x: number): void {
    const [T, h, w, C] = shape;
    const [, H, W] = this.#whole.shape;
    const rows = Math.min(h, this.#tiling.rows.stride, H - this.#y);
    const columns = Math.min(w, this.#tiling.columns.stride, W - x);
    for (let t = 0; t < T; t++) {
      for (let y = 0; y < rows; y++) {
        const first = (t * h + y) * w * C;
        const target = ((t * H + this.#y + y) * W + x) * C;
        this.#whole.values.set(values.subarray(first, first + columns * C), target);
      }
    }
  }
}

/** A copy of what the next tile along an axis overlaps with: 1 rows, 2 columns. */
function edgeOf(tile: Volume, axis: 1 | 2, { tile: length, stride }: Span): Volume {
  const [, H, W] = tile.shape;
  const extent = Math.min(tile.shape[axis], length - stride);
  const [h, w] = axis === 1 ? [extent, W] : [H, extent];
  const whole = (side: number): Span => ({ tile: side, stride: side });
  return cut(tile, H - h, W - w, { rows: whole(h), columns: whole(w) });
}

const stepOf = (at: number, grain: number): number => Math.floor(at / grain) * grain;
