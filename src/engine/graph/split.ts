/** Cuts a grid of workgroups into dispatches that the device accepts and that stay short. */
import type { Grid } from '../kernels/kernel.ts';

export type SplitLimits = { readonly maxPerDimension: number; readonly maxFlops: number };

/**
 * Returns sub-grids that cover `grid` once, each within `maxPerDimension` on every axis and, as far as whole
 * slices of the longest axis allow, with at most `maxFlops` of the total `flops`.
 */
export function splitGrid(
  grid: Grid,
  flops: number,
  limits: SplitLimits,
): { base: Grid; grid: Grid }[] {
  const wanted = Math.max(1, Math.ceil(flops / limits.maxFlops));
  const longest = grid.indexOf(Math.max(...grid));
  const steps = grid.map((length, axis) => {
    const pieces = Math.max(
      Math.ceil(length / limits.maxPerDimension),
      axis === longest ? Math.min(wanted, length) : 1,
    );
    return Math.ceil(length / pieces);
  });
  const starts = (axis: 0 | 1 | 2): number[] => {
    const step = steps[axis] ?? 1;
    return Array.from({ length: Math.ceil(grid[axis] / step) }, (_, i) => i * step);
  };
  const size = (axis: 0 | 1 | 2, start: number): number =>
    Math.min(steps[axis] ?? 1, grid[axis] - start);
  return starts(2).flatMap((z) =>
    starts(1).flatMap((y) =>
      starts(0).map((x) => ({
        base: [x, y, z] as const,
        grid: [size(0, x), size(1, y), size(2, z)] as const,
      })),
    ),
  );
}
