import { vec2 } from 'gl-matrix';
import { describe, expect, it } from 'vitest';
import {
  coverFit,
  sizeWithLongSide,
  uprightMatrix,
  uprightSize,
} from '../../src/engine/image/fit.ts';
import type { Orientation } from '../../src/engine/image/header.ts';

const at = (matrix: Parameters<typeof vec2.transformMat3>[2], x: number, y: number) => [
  ...vec2.transformMat3(vec2.create(), [x, y], matrix),
];

describe('upright', () => {
  // where the stored top left corner, the end of the first row and the end of the first column come to lie
  const corners: [Orientation, number[], number[], number[]][] = [
    [1, [0, 0], [40, 0], [0, 30]],
    [2, [40, 0], [0, 0], [40, 30]],
    [3, [40, 30], [0, 30], [40, 0]],
    [4, [0, 30], [40, 30], [0, 0]],
    [5, [0, 0], [0, 40], [30, 0]],
    [6, [30, 0], [30, 40], [0, 0]],
    [7, [30, 40], [30, 0], [0, 40]],
    [8, [0, 40], [0, 0], [30, 40]],
  ];
  it.each(corners)('orientation %d puts the corners where EXIF says', (orientation, a, b, c) => {
    const picture = { width: 40, height: 30, orientation };
    const matrix = uprightMatrix(picture);
    expect(at(matrix, 0, 0)).toEqual(a);
    expect(at(matrix, 40, 0)).toEqual(b);
    expect(at(matrix, 0, 30)).toEqual(c);
    expect(uprightSize(picture)).toEqual(
      orientation < 5 ? { width: 40, height: 30 } : { width: 30, height: 40 },
    );
  });
});

describe('coverFit', () => {
  it('scales to cover and crops the middle', () => {
    const fit = coverFit({ width: 400, height: 100, orientation: 1 }, { width: 100, height: 50 });
    expect(fit.crop).toEqual({ x: 100, y: 0, width: 200, height: 100 });
    expect(at(fit.toWorking, 100, 0)).toEqual([0, 0]);
    expect(at(fit.toWorking, 300, 100)).toEqual([100, 50]);
    expect(at(fit.toStored, 50, 25)).toEqual([200, 50]);
  });

  it('crops where the focus says', () => {
    const picture = { width: 100, height: 300, orientation: 1 as const };
    const top = coverFit(picture, { width: 50, height: 50 }, { x: 0.5, y: 0 });
    const bottom = coverFit(picture, { width: 50, height: 50 }, { x: 0.5, y: 1 });
    expect(top.crop).toEqual({ x: 0, y: 0, width: 100, height: 100 });
    expect(bottom.crop).toEqual({ x: 0, y: 200, width: 100, height: 100 });
  });

  it('turns first: a picture stored on its side is cropped as it is seen', () => {
    const fit = coverFit({ width: 300, height: 100, orientation: 6 }, { width: 100, height: 100 });
    expect(fit.crop).toEqual({ x: 0, y: 100, width: 100, height: 100 });
    const [x = 0, y = 0] = at(fit.toStored, 100, 0); // top right as seen is a stored left end
    expect(x).toBeCloseTo(100, 4);
    expect(y).toBeCloseTo(0, 4);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8] as const)(
    'orientation %d: back and forth is the same place',
    (orientation) => {
      const fit = coverFit({ width: 643, height: 481, orientation }, { width: 768, height: 448 });
      for (const [x, y] of [
        [0, 0],
        [768, 0],
        [17.5, 300.25],
      ] as const) {
        const [sx = 0, sy = 0] = at(fit.toStored, x, y);
        const [bx = 0, by = 0] = at(fit.toWorking, sx, sy);
        expect(Math.hypot(bx - x, by - y)).toBeLessThan(1e-3);
        expect(sx).toBeGreaterThan(-1e-3);
        expect(sx).toBeLessThan(643.001);
        expect(sy).toBeGreaterThan(-1e-3);
        expect(sy).toBeLessThan(481.001);
      }
    },
  );

  it('refuses an empty size', () => {
    expect(() =>
      coverFit({ width: 4, height: 4, orientation: 1 }, { width: 0, height: 4 }),
    ).toThrow(expect.objectContaining({ code: 'image/size' }));
  });
});

describe('working sizes', () => {
  it.each([
    [{ width: 4000, height: 3000 }, 768, 16, { width: 768, height: 576 }],
    [{ width: 3000, height: 4000 }, 768, 16, { width: 576, height: 768 }],
    [{ width: 1920, height: 1080 }, 768, 32, { width: 768, height: 448 }],
    [{ width: 300, height: 200 }, 768, 16, { width: 304, height: 208 }],
    [{ width: 10_000, height: 1 }, 768, 16, { width: 768, height: 16 }],
    [{ width: 1, height: 1 }, 768, 16, { width: 16, height: 16 }],
    [{ width: 800, height: 800 }, 770, 16, { width: 768, height: 768 }],
  ])('%o with long side %d in steps of %d', (shown, longSide, multiple, want) => {
    expect(sizeWithLongSide(shown, longSide, multiple)).toEqual(want);
  });
});
