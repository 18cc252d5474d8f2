/** The field of motion on the CPU: its noise, what the network is told, and displacements from its output. */
import type { GridSize, MotionConfig } from './config.ts';
import { CONDITION_CHANNELS, FIELD_CHANNELS } from './config.ts';
import type { Ambient } from './settings.ts';
import { FLOATS_PER_FRAME } from '../../kernels/blend-keys.ts';

const product = (lengths: readonly number[]): number => lengths.reduce((a, b) => a * b, 1);

/** Growth of motion over the key times, mean square one. */
function envelope(keys: number): number[] {
  const growth = Array.from({ length: keys }, (_, k) => ((k + 1) / keys) ** 0.75);
  const mean = growth.reduce((sum, e) => sum + e * e, 0) / keys;
  return growth.map((e) => e / Math.sqrt(mean));
}

/** How many normal values one field's noise is made of. */
export const noiseCount = ({ keys, noise }: MotionConfig, [h, w]: GridSize): number =>
  FIELD_CHANNELS * (keys * h * w + noise.grids.reduce((sum, grid) => sum + product(grid), 0));

/**
 * Returns coloured noise [keys, h, w, 3] from `noiseCount` standard normal values: a share of white noise, and
 * smooth parts interpolated from coarse grids whose end nodes fall on the first and last key, row and column.
 */
export function colouredNoise(
  config: MotionConfig,
  grid: GridSize,
  normals: Float32Array,
): Float32Array<ArrayBuffer> {
  const size = [config.keys, ...grid] as const;
  const cells = product(size);
  const noise = new Float32Array(cells * FIELD_CHANNELS);
  for (let channel = 0; channel < FIELD_CHANNELS; channel++) {
    for (let cell = 0; cell < cells; cell++) {
      noise[cell * FIELD_CHANNELS + channel] =
        config.noise.share * (normals[channel * cells + cell] ?? 0);
    }
  }
  let first = FIELD_CHANNELS * cells;
  for (const nodes of config.noise.grids) {
    for (let channel = 0; channel < FIELD_CHANNELS; channel++) {
      addSmooth(noise, channel, size, normals.subarray(first, first + product(nodes)), nodes);
      first += product(nodes);
    }
  }
  return noise;
}

type Triple = readonly [number, number, number];

/** For each of `size` positions: the lower node and the share of the next one. */
const placesOf = (size: number, nodes: number): readonly (readonly [number, number])[] =>
  Array.from({ length: size }, (_, i) => {
    const at = size > 1 ? (i * (nodes - 1)) / (size - 1) : 0;
    const low = Math.min(Math.floor(at), Math.max(0, nodes - 2));
    return [low, at - low];
  });

function addSmooth(
  noise: Float32Array,
  channel: number,
  [keys, h, w]: Triple,
  values: Float32Array,
  [nt, ny, nx]: Triple,
): void {
  const columns = placesOf(w, nx);
  const rows = placesOf(h, ny);
  const value = (t: number, y: number, x: number): number =>
    values[(Math.min(t, nt - 1) * ny + Math.min(y, ny - 1)) * nx + Math.min(x, nx - 1)] ?? 0;
  const mix = (a: number, b: number, share: number): number => a + (b - a) * share;
  let at = channel;
  for (const [t, ft] of placesOf(keys, nt)) {
    for (const [y, fy] of rows) {
      for (const [x, fx] of columns) {
        const plane = (key: number): number =>
          mix(
            mix(value(key, y, x), value(key, y, x + 1), fx),
            mix(value(key, y + 1, x), value(key, y + 1, x + 1), fx),
            fy,
          );
        noise[at] = (noise[at] ?? 0) + mix(plane(t), plane(t + 1), ft);
        at += FIELD_CHANNELS;
      }
    }
  }
}

/** Strength of the residual motion for the slider: 0 at 0, else between the config's bounds, evenly by ratio. */
export const strengthFor = ({ strength }: MotionConfig, motion: number): number =>
  motion === 0 ? 0 : strength.low * (strength.high / strength.low) ** motion;

export type Controls = {
  readonly strength: number;
  readonly ambient: Ambient;
  readonly seconds: number;
  readonly loop: boolean;
  /** Whether the camera's path is given; else the network chooses one. */
  readonly given: boolean;
};

export const CONTROL_ROWS = 4;
const CONTROL_WIDTH = 32;

/** Returns the control tokens [4, 32]: strength, ambient motion, timing, camera. */
export function controlTokens(controls: Controls): Float32Array<ArrayBuffer> {
  const { strength, ambient, seconds, loop, given } = controls;
  const rows = new Float32Array(CONTROL_ROWS * CONTROL_WIDTH);
  const level = (Math.log(strength) + 4.5) / 1.5;
  const waves = [0, 1, 2, 3].map((j) => level * 2 ** j);
  const columns: readonly (readonly number[])[] = [
    [level, 0, 0, 0, ...waves.map(Math.sin), ...waves.map(Math.cos)],
    ambient === 'auto' ? [0, 0, 0, 1] : [ambient.sway, ambient.water, ambient.clouds, 0],
    [seconds / 2, loop ? 1 : 0],
    [given ? 1 : 0],
  ];
  columns.forEach((values, row) => {
    rows[row * CONTROL_WIDTH + row] = 1;
    rows.set(values, row * CONTROL_WIDTH + 4);
  });
  return rows;
}

/** Returns what the network is told at every cell [keys, h, w, 5]: camera x, y in its units, given, time, zero. */
export function conditionChannels(
  { keys, cameraUnit }: MotionConfig,
  camera: Float32Array,
  given: boolean,
): Float32Array<ArrayBuffer> {
  const cells = camera.length / 2;
  const channels = new Float32Array(cells * CONDITION_CHANNELS);
  for (let cell = 0; cell < cells; cell++) {
    const key = Math.floor((cell * keys) / cells) + 1;
    const x = (camera[2 * cell] ?? 0) / cameraUnit;
    const y = (camera[2 * cell + 1] ?? 0) / cameraUnit;
    channels.set([x, y, given ? 1 : 0, key / keys, 0], cell * CONDITION_CHANNELS);
  }
  return channels;
}

const clamp = (value: number, low: number, high: number): number =>
  Math.min(Math.max(value, low), high);

/** Factor that fades motion towards a border at `distance` over `reach`, both in picture widths. */
const ramp = (distance: number, reach: number): number =>
  1 - (1 - Math.min(1, distance / reach)) ** 2;

/**
 * Returns displacements in picture widths and confidence at the key times, the picture itself first:
 * [keys + 1, h, w, 4], the last lane zero. `x` [keys, h, w, 3] is what the network made (absent: no residual),
 * `camera` [keys, h, w, 2] its path. A loop's field closes exactly: no displacement at the last key.
 */
export function composeField(
  config: MotionConfig,
  [h, w]: GridSize,
  camera: Float32Array,
  residual: { readonly x: Float32Array; readonly strength: number } | undefined,
  loop: boolean,
): Float32Array<ArrayBuffer> {
  const { keys } = config;
  const cells = h * w;
  const field = new Float32Array((keys + 1) * cells * 4);
  for (let cell = 0; cell < cells; cell++) field[cell * 4 + 2] = 1;
  envelope(keys).forEach((e, key) => {
    const scale = (residual?.strength ?? 0) * e;
    const reach = clamp(6 * scale, 0.04, 0.25);
    for (let cell = 0; cell < cells; cell++) {
      const [row, column] = [Math.floor(cell / w), cell % w];
      const fromSide = Math.min(column + 0.5, w - column - 0.5) / w;
      const fromTop = Math.min(row + 0.5, h - row - 0.5) / w;
      const at = key * cells + cell;
      const [rx, ry, rc] = [0, 1, 2].map((lane) => residual?.x[at * FIELD_CHANNELS + lane] ?? 0);
      const dx = (camera[2 * at] ?? 0) + ramp(fromSide, reach) * scale * (rx ?? 0);
      const dy = (camera[2 * at + 1] ?? 0) + ramp(fromTop, reach) * scale * (ry ?? 0);
      const confidence = residual ? clamp(((rc ?? 0) + 1) / 2, 0, 1) : 1;
      field.set([dx, dy, confidence], (at + cells) * 4);
    }
  });
  if (loop) closeLoop(field, keys, cells);
  return field;
}

function closeLoop(field: Float32Array, keys: number, cells: number): void {
  const last = field.slice(keys * cells * 4);
  for (let key = 1; key <= keys; key++) {
    const u = key / keys;
    const share = u * u * (3 - 2 * u);
    for (let cell = 0; cell < cells; cell++) {
      for (const lane of [0, 1]) {
        const at = (key * cells + cell) * 4 + lane;
        field[at] = (field[at] ?? 0) - share * (last[cell * 4 + lane] ?? 0);
      }
    }
  }
}

/** Returns the moment of each frame in 0…1; a loop's last frame comes just before its first. */
export const momentsOf = (frames: number, loop: boolean): number[] =>
  Array.from({ length: frames }, (_, j) => j / (loop ? frames : frames - 1));

/**
 * Returns the table of the kernel blend-keys [moments, 12]: Catmull–Rom through the keys, the end keys repeated, and
 * how far the moment is from the picture itself, which a loop meets at both ends.
 */
export function frameTable(
  keys: number,
  moments: readonly number[],
  loop: boolean,
): Float32Array<ArrayBuffer> {
  const table = new Float32Array(moments.length * FLOATS_PER_FRAME);
  moments.forEach((tau, frame) => {
    const low = clamp(Math.floor(tau * keys), 0, keys - 1);
    const f = tau * keys - low;
    const around = [-1, 0, 1, 2].map((i) => clamp(low + i, 0, keys));
    const weights = [
      (-f + 2 * f ** 2 - f ** 3) / 2,
      (2 - 5 * f ** 2 + 3 * f ** 3) / 2,
      (f + 4 * f ** 2 - 3 * f ** 3) / 2,
      (f ** 3 - f ** 2) / 2,
    ];
    const progress = loop ? Math.min(tau, 1 - tau) : tau;
    table.set([...around, ...weights, progress], frame * FLOATS_PER_FRAME);
  });
  return table;
}
