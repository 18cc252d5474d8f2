/**
 * Camera moves as exact displacement fields: for each key time a homography from places of that frame to places of
 * the picture, in picture widths from its centre (x right, y down). Built with gl-matrix on plain arrays, in f64.
 */
import { mat3, vec3 } from 'gl-matrix';
import { normal } from '../../sampling/rng.ts';

export const CAMERA_MOVES = [
  'pan-left',
  'pan-right',
  'pan-up',
  'pan-down',
  'zoom-in',
  'zoom-out',
  'push-in',
  'dolly-in',
  'dolly-out',
  'roll-clockwise',
  'roll-counterclockwise',
  'yaw-left',
  'yaw-right',
  'pitch-up',
  'pitch-down',
  'orbit-left',
  'orbit-right',
  'handheld',
] as const;

export type CameraMoveName = (typeof CAMERA_MOVES)[number];

/** One move; `amount` multiplies its usual extent (1). */
export type CameraMove = { readonly move: CameraMoveName; readonly amount?: number };

/** Where the camera stands: lengths in picture widths, angles in radians, zoom as the share that is lost. */
export type CameraPose = {
  /** To the right and down. */
  readonly panX: number;
  readonly panY: number;
  /** Positive makes things larger: the source shrinks by 1 − zoom. */
  readonly zoom: number;
  /** Clockwise. */
  readonly roll: number;
  /** To the right. */
  readonly yaw: number;
  /** Downwards. */
  readonly pitch: number;
};

export const STILL: CameraPose = { panX: 0, panY: 0, zoom: 0, roll: 0, yaw: 0, pitch: 0 };

/** Focal length in picture widths. */
export const FOCAL = 0.9;

const DEGREE = Math.PI / 180;

/** Where each move ends at motion ½ and amount 1. */
const EXTENTS: Readonly<Record<CameraMoveName, Partial<CameraPose>>> = {
  'pan-left': { panX: -0.06 },
  'pan-right': { panX: 0.06 },
  'pan-up': { panY: -0.06 },
  'pan-down': { panY: 0.06 },
  'zoom-in': { zoom: 0.14 },
  'zoom-out': { zoom: -0.12 },
  'push-in': { zoom: 0.06 },
  'dolly-in': { zoom: 0.1 },
  'dolly-out': { zoom: -0.08 },
  'roll-clockwise': { roll: 4 * DEGREE },
  'roll-counterclockwise': { roll: -4 * DEGREE },
  'yaw-left': { yaw: -4 * DEGREE },
  'yaw-right': { yaw: 4 * DEGREE },
  'pitch-up': { pitch: -4 * DEGREE },
  'pitch-down': { pitch: 4 * DEGREE },
  // The camera goes round what is in the middle: it turns against its way, which keeps the middle in place.
  'orbit-left': { panX: -Math.tan(6 * DEGREE) * FOCAL, yaw: 6 * DEGREE },
  'orbit-right': { panX: Math.tan(6 * DEGREE) * FOCAL, yaw: -6 * DEGREE },
  handheld: {},
};

/** Amplitudes of a hand at motion ½. */
const HAND: CameraPose = {
  panX: 0.008,
  panY: 0.006,
  zoom: 0.006,
  roll: 0.4 * DEGREE,
  yaw: 0.4 * DEGREE,
  pitch: 0.3 * DEGREE,
};

/** Stream of the seed that the hand's wobble is drawn from; the field's noise takes stream 0. */
const HAND_STREAM = 7;
const HAND_WAVES = 3;

/** Share of the way at progress u: there with soft ends, or there and back for a loop. */
export const ease = (u: number, loop: boolean): number =>
  loop ? (1 - Math.cos(2 * Math.PI * u)) / 2 : u * u * (3 - 2 * u);

export type CameraOptions = {
  /** The motion slider, 0…1: ½ gives each move its usual extent. */
  readonly motion: number;
  readonly loop: boolean;
  readonly seed: number;
};

/** Returns the camera's pose at progress u (0…1). */
export function poseAt(
  moves: readonly CameraMove[],
  u: number,
  options: CameraOptions,
): CameraPose {
  const share = 2 * options.motion * ease(u, options.loop);
  return moves.reduce<CameraPose>((pose, { move, amount = 1 }) => {
    const added =
      move === 'handheld'
        ? scalePose(handAt(u, options), 2 * options.motion * amount)
        : scalePose({ ...STILL, ...EXTENTS[move] }, share * amount);
    return addPoses(pose, added);
  }, STILL);
}

const NAMES = ['panX', 'panY', 'zoom', 'roll', 'yaw', 'pitch'] as const;

const mapPose = (value: (name: (typeof NAMES)[number]) => number): CameraPose => ({
  panX: value('panX'),
  panY: value('panY'),
  zoom: value('zoom'),
  roll: value('roll'),
  yaw: value('yaw'),
  pitch: value('pitch'),
});

/** Returns a camera whose every movement is `by` times as large. */
export const scalePose = (pose: CameraPose, by: number): CameraPose =>
  mapPose((name) => pose[name] * by);
const addPoses = (a: CameraPose, b: CameraPose): CameraPose => mapPose((name) => a[name] + b[name]);

/** A few sine waves of whole periods and random phases, zero at u = 0; they close by themselves. */
function handAt(u: number, { seed }: CameraOptions): CameraPose {
  const values = normal(seed, HAND_STREAM, NAMES.length * HAND_WAVES * 2);
  return mapPose((name) => {
    const first = NAMES.indexOf(name) * HAND_WAVES * 2;
    let sum = 0;
    for (let wave = 0; wave < HAND_WAVES; wave++) {
      const angle = 2 * Math.PI * (wave + 1) * u;
      const [a = 0, b = 0] = values.subarray(first + 2 * wave);
      sum += (a * Math.sin(angle) + b * (Math.cos(angle) - 1)) / (wave + 1);
    }
    return 0.5 * HAND[name] * sum;
  });
}

/**
 * Returns the homography from a place of the frame to its source in the picture, both in picture widths from the
 * centre: rolled and zoomed, seen as a ray, turned by yaw, then by pitch, projected again and panned.
 */
export function homography({ panX, panY, zoom, roll, yaw, pitch }: CameraPose): mat3 {
  const [cosYaw, sinYaw] = [Math.cos(yaw), Math.sin(yaw)];
  const [cosPitch, sinPitch] = [Math.cos(pitch), Math.sin(pitch)];
  // gl-matrix keeps columns one after another.
  const factors: readonly mat3[] = [
    mat3.fromTranslation(unit(), [panX, panY]),
    mat3.fromScaling(unit(), [FOCAL, FOCAL]),
    [1, 0, 0, 0, cosPitch, -sinPitch, 0, sinPitch, cosPitch],
    [cosYaw, 0, -sinYaw, 0, 1, 0, sinYaw, 0, cosYaw],
    mat3.fromScaling(unit(), [(1 - zoom) / FOCAL, (1 - zoom) / FOCAL]),
    mat3.fromRotation(unit(), roll),
  ];
  return factors.reduce((a, b) => mat3.multiply(unit(), a, b), unit());
}

/** A new unit matrix on a plain array, which keeps f64. */
const unit = (): mat3 => [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** Returns where the place (x, y) has its source, both in picture widths from the centre. */
export function sourceOf(matrix: mat3, x: number, y: number): readonly [x: number, y: number] {
  const at: vec3 = [0, 0, 0];
  vec3.transformMat3(at, [x, y, 1], matrix);
  return [at[0] / at[2], at[1] / at[2]];
}

const BISECTIONS = 24;
const MOST_COVER = 0.9;

/**
 * Returns the smallest zoom, as a share from 0 to 0.9, that has to be applied before `matrix` so that all four corners
 * find their source inside the picture. `aspect` is the picture's height over its width.
 */
export function coverZoom(matrix: mat3, aspect: number): number {
  const fits = (zoom: number): boolean =>
    [-0.5, 0.5].every((x) =>
      [-0.5, 0.5].every((y) => {
        const [sx, sy] = sourceOf(matrix, x * (1 - zoom), y * aspect * (1 - zoom));
        return Math.abs(sx) <= 0.5 + 1e-9 && Math.abs(sy) <= aspect / 2 + 1e-9;
      }),
    );
  if (fits(0)) return 0;
  let [low, high] = [0, MOST_COVER];
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * Returns the backward displacements of a path [keys, h, w, 2] in picture widths, at progress 1/keys … 1.
 * `poseOf` gives the pose at a progress; with `cover` every frame zooms in by just as much as hides the border.
 * `aspect` is the picture's height over its width.
 */
export function cameraField(
  poseOf: (u: number) => CameraPose,
  keys: number,
  [h, w]: readonly [number, number],
  aspect: number,
  cover: boolean,
): Float32Array<ArrayBuffer> {
  const field = new Float32Array(keys * h * w * 2);
  for (let key = 0; key < keys; key++) {
    const matrix = homography(poseOf((key + 1) / keys));
    const share = cover ? 1 - coverZoom(matrix, aspect) : 1;
    for (let row = 0; row < h; row++) {
      const y = ((row + 0.5) / h - 0.5) * aspect;
      for (let column = 0; column < w; column++) {
        const x = (column + 0.5) / w - 0.5;
        const [sx, sy] = sourceOf(matrix, x * share, y * share);
        field.set([sx - x, sy - y], ((key * h + row) * w + column) * 2);
      }
    }
  }
  return field;
}

/** Whether the border may be hidden: a pull-back must show more than there is. */
export const mayCover = (moves: readonly CameraMove[]): boolean =>
  moves.reduce((sum, { move, amount = 1 }) => sum + amount * (EXTENTS[move].zoom ?? 0), 0) >= 0;
