import { describe, expect, it } from 'vitest';
import type { CameraMove, CameraMoveName } from '../../src/engine/models/motion/camera.ts';
import {
  CAMERA_MOVES,
  FOCAL,
  STILL,
  cameraField,
  coverZoom,
  ease,
  homography,
  mayCover,
  poseAt,
  sourceOf,
} from '../../src/engine/models/motion/camera.ts';

const PLAIN = { motion: 0.5, loop: false, seed: 3 };
const end = (move: CameraMoveName) => poseAt([{ move }], 1, PLAIN);

/** Places over a 4:3 picture, in widths from its centre. */
const PLACES = [-0.5, -0.2, 0, 0.3, 0.5].flatMap((x) =>
  [-0.375, 0, 0.2].map((y) => [x, y] as const),
);

describe('camera homographies against closed forms', () => {
  it.each(PLACES)('at (%f, %f)', (x, y) => {
    const near = (pose: Partial<typeof STILL>, [wantX, wantY]: readonly [number, number]) => {
      const [sx, sy] = sourceOf(homography({ ...STILL, ...pose }), x, y);
      expect(sx).toBeCloseTo(wantX, 12);
      expect(sy).toBeCloseTo(wantY, 12);
    };
    near({}, [x, y]);
    near({ panX: 0.1, panY: -0.05 }, [x + 0.1, y - 0.05]);
    near({ zoom: 0.2 }, [0.8 * x, 0.8 * y]);
    const [c, s] = [Math.cos(0.3), Math.sin(0.3)];
    near({ roll: 0.3 }, [c * x - s * y, s * x + c * y]);
    // The angle of a ray grows by the angle of the turn.
    const turned = FOCAL * Math.tan(Math.atan(x / FOCAL) + 0.2);
    near({ yaw: 0.2 }, [turned, (y * Math.hypot(turned, FOCAL)) / Math.hypot(x, FOCAL)]);
    const raised = FOCAL * Math.tan(Math.atan(y / FOCAL) + 0.2);
    near({ pitch: 0.2 }, [(x * Math.hypot(raised, FOCAL)) / Math.hypot(y, FOCAL), raised]);
  });
});

describe('camera moves', () => {
  const centre = (move: CameraMoveName) => sourceOf(homography(end(move)), 0, 0);

  it('a pan shows what lies to its side', () => {
    expect(centre('pan-right')[0]).toBeGreaterThan(0.04);
    expect(centre('pan-left')[0]).toBeLessThan(-0.04);
    expect(centre('pan-up')[1]).toBeLessThan(-0.04);
    expect(centre('pan-down')[1]).toBeGreaterThan(0.04);
    expect(centre('yaw-right')[0]).toBeGreaterThan(0.04);
    expect(centre('pitch-up')[1]).toBeLessThan(-0.04);
  });

  it('an orbit keeps the middle in place and turns the rest', () => {
    for (const move of ['orbit-left', 'orbit-right'] as const) {
      expect(Math.hypot(...centre(move))).toBeLessThan(1e-12);
      const [x] = sourceOf(homography(end(move)), 0.5, 0);
      expect(Math.abs(x - 0.5)).toBeGreaterThan(0.005);
    }
  });

  it('amounts, motion and several moves add up', () => {
    const moves: CameraMove[] = [{ move: 'pan-right', amount: 0.5 }, { move: 'zoom-in' }];
    const pose = poseAt(moves, 1, { ...PLAIN, motion: 1 });
    expect(pose.panX).toBeCloseTo(end('pan-right').panX, 12);
    expect(pose.zoom).toBeCloseTo(2 * end('zoom-in').zoom, 12);
  });

  it.each(CAMERA_MOVES)('%s does nothing at motion 0 and starts from the picture', (move) => {
    expect(poseAt([{ move }], 0.7, { ...PLAIN, motion: 0 })).toEqual(STILL);
    for (const value of Object.values(poseAt([{ move }], 0, PLAIN)))
      expect(value).toBeCloseTo(0, 12);
  });

  it.each(CAMERA_MOVES)('%s closes when looped and has moved on the way', (move) => {
    const options = { ...PLAIN, loop: true };
    for (const value of Object.values(poseAt([{ move }], 1, options)))
      expect(value).toBeCloseTo(0, 12);
    expect(Object.values(poseAt([{ move }], 0.4, options)).some((v) => Math.abs(v) > 1e-4)).toBe(
      true,
    );
  });

  it('the path is eased and never turns back', () => {
    for (let i = 0; i < 50; i++)
      expect(ease((i + 1) / 50, false)).toBeGreaterThan(ease(i / 50, false));
    expect([ease(0, false), ease(0.5, false), ease(1, false)]).toEqual([0, 0.5, 1]);
  });

  it('a hand shakes by its seed, a little', () => {
    const at = (seed: number, u: number) =>
      poseAt([{ move: 'handheld' }], u, { ...PLAIN, seed }).panX;
    expect(at(1, 0.3)).toBe(at(1, 0.3));
    expect(at(1, 0.3)).not.toBe(at(2, 0.3));
    for (let seed = 0; seed < 20; seed++) expect(Math.abs(at(seed, 0.5))).toBeLessThan(0.05);
  });
});

describe('camera field', () => {
  const pathOf =
    (...moves: CameraMove[]) =>
    (u: number) =>
      poseAt(moves, u, PLAIN);

  it('holds displacements at the cells of each key time', () => {
    const field = cameraField(pathOf({ move: 'zoom-in' }), 16, [3, 4], 0.75, true);
    expect(field).toHaveLength(16 * 3 * 4 * 2);
    const zoom = end('zoom-in').zoom;
    for (const [key, row, column] of [
      [15, 0, 0],
      [15, 2, 3],
      [7, 1, 2],
    ] as const) {
      const at = ((key * 3 + row) * 4 + column) * 2;
      const share = ease((key + 1) / 16, false) * zoom;
      expect(field[at]).toBeCloseTo(-share * ((column + 0.5) / 4 - 0.5), 6);
      expect(field[at + 1]).toBeCloseTo(-share * ((row + 0.5) / 3 - 0.5) * 0.75, 6);
    }
  });

  it('a pan by p needs a cover zoom of 2 p, a pull-back takes none', () => {
    expect(coverZoom(homography({ ...STILL, panX: 0.06 }), 0.75)).toBeCloseTo(0.12, 6);
    expect(coverZoom(homography({ ...STILL, panY: -0.06 }), 0.75)).toBeCloseTo(0.16, 6);
    expect(coverZoom(homography({ ...STILL, zoom: 0.2 }), 0.75)).toBe(0);
    expect(mayCover([{ move: 'pan-left' }, { move: 'zoom-in' }])).toBe(true);
    expect(mayCover([{ move: 'pan-left' }, { move: 'zoom-out' }])).toBe(false);
  });

  it.each(CAMERA_MOVES)('%s stays in the picture when it covers', (move) => {
    const field = cameraField(pathOf({ move }), 4, [30, 40], 0.75, mayCover([{ move }]));
    let [most, least] = [-Infinity, Infinity];
    for (let cell = 0; cell < 4 * 30 * 40; cell++) {
      const x = ((cell % 40) + 0.5) / 40 - 0.5 + field[2 * cell]!;
      most = Math.max(most, x);
      least = Math.min(least, x);
    }
    if (mayCover([{ move }])) expect(Math.max(most, -least)).toBeLessThanOrEqual(0.5);
    else expect(most).toBeGreaterThan(0.5);
  });
});
