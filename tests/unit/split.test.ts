import { describe, expect, it } from 'vitest';
import { splitGrid } from '../../src/engine/graph/split.ts';
import type { Grid } from '../../src/engine/kernels/kernel.ts';

/** How often each workgroup of `grid` is covered by the pieces. */
function coverage(grid: Grid, pieces: ReturnType<typeof splitGrid>): Uint8Array {
  const [X, Y] = grid;
  const counts = new Uint8Array(X * Y * grid[2]);
  for (const { base, grid: size } of pieces) {
    for (let z = base[2]; z < base[2] + size[2]; z++) {
      for (let y = base[1]; y < base[1] + size[1]; y++) {
        for (let x = base[0]; x < base[0] + size[0]; x++)
          counts[(z * Y + y) * X + x] = (counts[(z * Y + y) * X + x] ?? 0) + 1;
      }
    }
  }
  return counts;
}

const grids: Grid[] = [
  [1, 1, 1],
  [7, 1, 1],
  [3, 5, 2],
  [100, 3, 1],
  [2, 64, 3],
  [5, 4, 33],
];

describe('a grid cut into dispatches', () => {
  it.each(grids.flatMap((grid) => [1, 2, 3, 10, 1000].map((pieces) => [grid, pieces] as const)))(
    'covers each workgroup of %o exactly once in about %i pieces',
    (grid, pieces) => {
      const limits = { maxPerDimension: 32, maxFlops: 1e6 };
      const cut = splitGrid(grid, pieces * 1e6, limits);
      expect(coverage(grid, cut).every((count) => count === 1)).toBe(true);
      for (const piece of cut)
        for (const length of piece.grid) expect(length).toBeLessThanOrEqual(32);
      expect(cut.length).toBeGreaterThanOrEqual(Math.min(pieces, Math.max(...grid)) / 2);
    },
  );

  it('stays whole when it is small enough', () => {
    expect(splitGrid([8, 4, 2], 1e6, { maxPerDimension: 65535, maxFlops: 1e6 })).toEqual([
      { base: [0, 0, 0], grid: [8, 4, 2] },
    ]);
  });

  it('holds each piece to the work allowed, as far as whole slices go', () => {
    const cut = splitGrid([1000, 1, 1], 1e9, { maxPerDimension: 65535, maxFlops: 1e7 });
    for (const { grid } of cut) expect((grid[0] / 1000) * 1e9).toBeLessThanOrEqual(1e7);
  });
});
