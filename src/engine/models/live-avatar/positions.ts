/** Where the tokens of an avatar stand in space and time. */
import type { Position } from '../../kernels/rope.ts';
import { gridPositions } from '../../kernels/rope.ts';

/** Rows and columns of tokens in one latent frame. */
export type TokenGrid = { readonly h: number; readonly w: number };

/** Frame at which the reference picture stands: ahead of a clip. */
export const REFERENCE_FRAME = 30;

/** The past, in three groups that grow coarser with age: frames at which they stand, and how much they are thinned. */
const MOTION = [
  { frames: [-1], thinned: 1 },
  { frames: [-3], thinned: 2 },
  { frames: [-19, -14, -9, -4], thinned: 4 },
] as const;

/** Returns `count` whole numbers from 0 to `last`, spread evenly and cut, as numpy does it. */
function spread(last: number, count: number): number[] {
  const step = count > 1 ? last / (count - 1) : 0;
  return Array.from({ length: count }, (_, i) =>
    i > 0 && i === count - 1 ? last : Math.trunc(i * step),
  );
}

/** Returns the places of the motion tokens: newest frame, the two before, the sixteen before those. */
export const motionPositions = ({ h, w }: TokenGrid): Position[] =>
  MOTION.flatMap(({ frames, thinned }) => {
    const rows = spread(h - 1, Math.floor(h / thinned));
    const columns = spread(w - 1, Math.floor(w / thinned));
    return frames.flatMap((frame) =>
      rows.flatMap((row) => columns.map((column): Position => [frame, row, column])),
    );
  });

/** Returns the places of everything that does not move on with the stream: reference, then motion where there is any. */
export const conditionPositions = (
  grid: TokenGrid,
  referenceFrame: number,
  withMotion = true,
): Position[] => [
  ...gridPositions([1, grid.h, grid.w], referenceFrame),
  ...(withMotion ? motionPositions(grid) : []),
];

/**
 * Returns the frame at which the reference stands for a block that starts at latent frame `first`: at 30 until it comes
 * closer than `distance`, then that far ahead.
 */
export const rollingReference = (first: number, distance: number): number =>
  REFERENCE_FRAME + Math.max(0, first - (REFERENCE_FRAME - distance));
