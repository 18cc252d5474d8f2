/**
 * Heads of a width that attention does not take, made wider with zeros when their weights are loaded: queries and keys
 * stay what they were, values gain columns that the output layer meets with zeros.
 */

/** How the rows of a projection lie in heads. */
export type HeadLayout = {
  /** Width of a head in the checkpoint. */
  readonly width: number;
  /** Width on the device. */
  readonly padded: number;
  /** Whether the halves of a head turn against each other, so that each is padded for itself. */
  readonly halves: boolean;
};

/** Returns the layout of heads of `width`, which rotation by halves or by neighbours turns. */
export function headLayout(width: number, pairing: 'half' | 'interleaved'): HeadLayout {
  const unit = pairing === 'half' ? 8 : 4;
  return { width, padded: Math.ceil(width / unit) * unit, halves: pairing === 'half' };
}

/** Returns where value `i` of the rows of all heads stands once they are padded. */
function placeIn({ width, padded, halves }: HeadLayout, i: number): number {
  const head = Math.floor(i / width);
  const j = i % width;
  const upper = halves && j >= width / 2;
  return head * padded + (upper ? padded / 2 + j - width / 2 : j);
}

/** Returns rows [heads · width, columns] as [heads · padded, columns]. */
export function padRows(values: Float32Array, layout: HeadLayout, columns: number): Float32Array {
  const rows = values.length / columns;
  const wide = new Float32Array((rows / layout.width) * layout.padded * columns);
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * columns, (row + 1) * columns);
    wide.set(own, placeIn(layout, row) * columns);
  }
  return wide;
}

/** Returns rows [rows, heads · width] as [rows, heads · padded]. */
export function padColumns(
  values: Float32Array,
  layout: HeadLayout,
  columns: number,
): Float32Array {
  const wideColumns = (columns / layout.width) * layout.padded;
  const wide = new Float32Array((values.length / columns) * wideColumns);
  values.forEach((value, i) => {
    wide[Math.floor(i / columns) * wideColumns + placeIn(layout, i % columns)] = value;
  });
  return wide;
}

/**
 * Returns weight [width] and eps of an RMS norm over padded heads that does what the given ones do over narrow ones:
 * the mean of the squares is taken over more values, all added ones zero.
 */
export function padHeadNorm(
  weight: Float32Array,
  eps: number,
  layout: HeadLayout,
): { readonly weight: Float32Array; readonly eps: number } {
  const share = layout.width / layout.padded;
  const scaled = weight.map((value) => value * Math.sqrt(share));
  return { weight: padRows(scaled, layout, 1), eps: eps * share };
}
