/** Frames in short: the mean colour of every block of 8 × 8 pixels, which no video codec changes much. */

const BLOCK = 8;
const MOST_DB = 60;

/** Returns the means of red, green and blue by block, row by row; both sides are multiples of 8. */
export function blockMeans(
  rgba: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
): Float64Array {
  const columns = width / BLOCK;
  const means = new Float64Array(3 * columns * (height / BLOCK));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const block = 3 * (Math.floor(y / BLOCK) * columns + Math.floor(x / BLOCK));
      for (let c = 0; c < 3; c++) {
        means[block + c] = (means[block + c] ?? 0) + (rgba[4 * (y * width + x) + c] ?? 0);
      }
    }
  }
  return means.map((sum) => sum / BLOCK ** 2);
}

/** Returns how near two rows of values in 0 … 255 are, in decibels (PSNR), at most 60; 0 when their lengths differ. */
export function decibels(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) return 0;
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2;
  return Math.min(MOST_DB, 10 * Math.log10((255 ** 2 * a.length) / squares));
}
