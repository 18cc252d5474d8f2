/** What the kernels that multiply tiles in registers share: the size of a tile, and when they suit. */
import type { Capabilities } from '../gpu/device.ts';
import type { Grid, Values } from './kernel.ts';

/** Large tiles that fill a device of about 130 processors twice. */
const ENOUGH_TILES = 256;

/** Share of the tiles' sums that may fall outside of the result. */
const MOST_WASTE = 0.7;

const tiles = (side: number, rows: number, columns: number): number =>
  Math.ceil(rows / (8 * side)) * Math.ceil(columns / (16 * side));

/** Returns the values of lib/register-product.wgsl for a result of [rows, columns]. */
export const registerValues = (rows: number, columns: number): Values => ({
  SIDE: tiles(8, rows, columns) >= ENOUGH_TILES ? 8 : 4,
});

/** Whether the tiles are filled well enough. Processors take minutes to compile the large tile and run none well. */
export function registerSuits(
  { SIDE }: Values,
  { software }: Capabilities,
  rows: number,
  columns: number,
): boolean {
  const side = Number(SIDE);
  const made = tiles(side, rows, columns) * 128 * side * side;
  return rows * columns >= (1 - MOST_WASTE) * made && !(software && side > 4);
}

/** Returns the workgroups that cover a result of [rows, columns]. */
export const registerGrid = ({ SIDE }: Values, rows: number, columns: number): Grid => [
  Math.ceil(columns / (16 * Number(SIDE))),
  Math.ceil(rows / (8 * Number(SIDE))),
  1,
];
