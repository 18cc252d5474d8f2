import { beforeAll, describe, expect, it } from 'vitest';
import { readFile } from 'node:fs/promises';
import { readConfig, gridFor } from '../../src/engine/models/motion/config.ts';
import type { MotionConfig } from '../../src/engine/models/motion/config.ts';
import { STILL, cameraField, ease } from '../../src/engine/models/motion/camera.ts';
import {
  colouredNoise,
  composeField,
  conditionChannels,
  controlTokens,
  frameTable,
  momentsOf,
  noiseCount,
  strengthFor,
} from '../../src/engine/models/motion/field.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';

const FOLDER = new URL('../fixtures/motion/', import.meta.url);
const GRID = [6, 8] as const;
const KEYS = 16;

let config: MotionConfig;
let io: WeightStore;
const given = (name: string): Promise<Float32Array> => io.read(name);

beforeAll(async () => {
  const json: unknown = JSON.parse(await readFile(new URL('config.json', FOLDER), 'utf8'));
  config = readConfig(json);
  io = await WeightStore.open([await fileSource(new URL('io.safetensors', FOLDER).pathname)]);
});

/** [C, keys, h, w] as the engine has it: [keys, h, w, C]. */
function channelsLast(values: Float32Array, channels: number): Float32Array {
  const cells = values.length / channels;
  return values.map((_, i) => values[(i % channels) * cells + Math.floor(i / channels)] ?? NaN);
}

function worst(got: Float32Array, want: Float32Array): number {
  expect(got).toHaveLength(want.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] ?? NaN))), 0);
}

/** The path of the golden case. */
const path = (loop: boolean) => (u: number) => {
  const s = ease(u, loop);
  return {
    ...STILL,
    panX: 0.06 * s,
    zoom: 0.1 * s,
    roll: 0.04 * s,
    yaw: -0.05 * s,
    pitch: 0.03 * s,
  };
};

const lanes = (field: Float32Array): Float32Array =>
  field.slice(GRID[0] * GRID[1] * 4).filter((_, i) => i % 4 < 3);

describe('the field against PyTorch', () => {
  it('coloured noise', async () => {
    const normals = await given('in.normals');
    expect(noiseCount(config, GRID)).toBe(normals.length);
    const want = channelsLast(await given('mid.noise'), 3);
    expect(worst(colouredNoise(config, GRID, normals), want)).toBeLessThan(2e-6);
  });

  it('control tokens', async () => {
    const ambient = { sway: 0, water: 1, clouds: 0 };
    const controls = { strength: 0.012, ambient, seconds: 2, loop: false, given: true };
    expect(worst(controlTokens(controls), await given('mid.controls'))).toBeLessThan(2e-6);
  });

  it.each([
    ['mid.camera', false],
    ['mid.camera_loop', true],
  ])('%s', async (name, loop) => {
    const field = cameraField(path(loop), KEYS, GRID, GRID[0] / GRID[1], true);
    expect(worst(field, channelsLast(await given(name), 2))).toBeLessThan(2e-7);
  });

  it('camera, flag and time as the network sees them', async () => {
    const camera = channelsLast(await given('mid.camera'), 2);
    const all = channelsLast(await given('mid.step0.inputs'), 40);
    const want = all.filter((_, i) => i % 40 >= 3 && i % 40 < 8);
    expect(worst(conditionChannels(config, camera, true), want)).toBeLessThan(1e-6);
  });

  it.each([
    ['out.field', 'mid.camera', false],
    ['out.field_loop', 'mid.camera_loop', true],
  ] as const)('%s', async (name, path, loop) => {
    const camera = channelsLast(await given(path), 2);
    const x = channelsLast(await given('out.x'), 3);
    const field = composeField(config, GRID, camera, { x, strength: 0.012 }, loop);
    expect(worst(lanes(field), channelsLast(await given(name), 3))).toBeLessThan(1e-6);
  });
});

describe('the field by its definition', () => {
  it('begins with the picture itself: nothing moves, all is trusted', () => {
    const camera = new Float32Array(KEYS * 48 * 2).fill(0.1);
    const field = composeField(config, GRID, camera, undefined, false);
    expect([...field.subarray(0, 8)]).toEqual([0, 0, 1, 0, 0, 0, 1, 0]);
    expect(field[48 * 4]).toBeCloseTo(0.1, 6);
  });

  it('strength goes from low to high by ratio, and is nothing at 0', () => {
    const { low, high } = config.strength;
    expect(strengthFor(config, 0)).toBe(0);
    expect(strengthFor(config, 1)).toBeCloseTo(high, 12);
    expect(strengthFor(config, 0.5)).toBeCloseTo(Math.sqrt(low * high), 12);
  });

  it('frames meet the keys exactly and end where the clip or the loop does', () => {
    expect(momentsOf(5, false)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(momentsOf(4, true)).toEqual([0, 0.25, 0.5, 0.75]);
    const table = frameTable(16, [0, 0.5, 1], false);
    expect([...table.subarray(0, 9)]).toEqual([0, 0, 1, 2, 0, 1, 0, 0, 0]);
    expect([...table.subarray(12, 21)]).toEqual([7, 8, 9, 10, 0, 1, 0, 0, 0.5]);
    expect([...table.subarray(24, 33)]).toEqual([14, 15, 16, 16, 0, 0, 1, 0, 1]);
    expect(frameTable(16, [0.75], true)[8]).toBe(0.25);
  });

  it('the grid is the one nearest to the picture in aspect', () => {
    expect(gridFor(config, { width: 1920, height: 1080 })).toEqual([32, 56]);
    expect(gridFor(config, { width: 800, height: 600 })).toEqual([36, 48]);
    expect(gridFor(config, { width: 500, height: 510 })).toEqual([42, 42]);
    expect(gridFor(config, { width: 300, height: 1200 })).toEqual([56, 32]);
  });

  it.each([
    [{}, 'version 1'],
    [{ model: 'zoetrope-motion', version: 2 }, 'version 2'],
    [null, 'needs an object'],
  ])('refuses the config %o', (json, why) => {
    expect(() => readConfig(json)).toThrow(why);
  });
});
