/** The numbers of the built-in model, read from the config.json beside its weights. */
import { EngineError } from '../../gpu/errors.ts';

export type GridSize = readonly [rows: number, columns: number];

export type MotionConfig = {
  /** Key times of a clip, without the picture itself. */
  readonly keys: number;
  /** The field's grids, one for each aspect. */
  readonly grids: readonly GridSize[];
  /** The Wan DiT's own config, in diffusers' spelling. */
  readonly transformer: Readonly<Record<string, unknown>>;
  readonly encoder: { readonly channels: readonly number[]; readonly strides: readonly number[] };
  /** Displacement that the network sees as one, in picture widths. */
  readonly cameraUnit: number;
  readonly minStrength: number;
  readonly noise: {
    readonly share: number;
    readonly grids: readonly (readonly [number, number, number])[];
  };
  readonly sampler: { readonly steps: number; readonly shift: number };
  readonly strength: { readonly low: number; readonly high: number };
  readonly refine: { readonly half: number; readonly quarter: number };
};

const NAME = 'zoetrope-motion';
const VERSION = 1;

/** Channels of the field, and of the network's input before the picture's features: field, camera, flag, time, zero. */
export const FIELD_CHANNELS = 3;
export const CONDITION_CHANNELS = 5;

/** Returns the checked config. Throws `motion/config` for another model, version or a missing number. */
export function readConfig(json: unknown): MotionConfig {
  const root = record(json, 'config');
  if (root['model'] !== NAME || root['version'] !== VERSION) {
    const got = `${String(root['model'])} version ${String(root['version'])}`;
    throw fault(`got ${got}, needs ${NAME} version ${VERSION}`);
  }
  const encoder = record(root['encoder'], 'encoder');
  const noise = record(root['noise'], 'noise');
  const sampler = record(root['sampler'], 'sampler');
  const strength = record(root['strength'], 'strength');
  const refine = record(root['refine'], 'refine');
  return {
    keys: positive(root['keys'], 'keys'),
    grids: list(root['grids'], 'grids').map((grid) => {
      const [rows, columns] = numbers(grid, 'grids');
      return [positive(rows, 'grids'), positive(columns, 'grids')];
    }),
    transformer: record(root['transformer'], 'transformer'),
    encoder: {
      channels: numbers(encoder['channels'], 'encoder.channels'),
      strides: numbers(encoder['strides'], 'encoder.strides'),
    },
    cameraUnit: positive(root['camera_unit'], 'camera_unit'),
    minStrength: positive(root['min_strength'], 'min_strength'),
    noise: {
      share: positive(noise['share'], 'noise.share'),
      grids: list(noise['grids'], 'noise.grids').map((grid) => {
        const [t, y, x] = numbers(grid, 'noise.grids');
        return [positive(t, 'noise.grids'), positive(y, 'noise.grids'), positive(x, 'noise.grids')];
      }),
    },
    sampler: {
      steps: positive(sampler['steps'], 'sampler.steps'),
      shift: positive(sampler['shift'], 'sampler.shift'),
    },
    strength: {
      low: positive(strength['low'], 'strength.low'),
      high: positive(strength['high'], 'strength.high'),
    },
    refine: {
      half: positive(refine['half'], 'refine.half'),
      quarter: positive(refine['quarter'], 'refine.quarter'),
    },
  };
}

/** Returns the grid whose aspect is nearest to that of a picture, by ratio. */
export function gridFor(
  { grids }: MotionConfig,
  { width, height }: { width: number; height: number },
): GridSize {
  const distance = ([rows, columns]: GridSize): number =>
    Math.abs(Math.log((columns * height) / (rows * width)));
  return grids.reduce((best, grid) => (distance(grid) < distance(best) ? grid : best));
}

const fault = (what: string): EngineError =>
  new EngineError('motion/config', `config of the built-in model — ${what} — get its files again`, {
    stage: 'motion/load',
  });

function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fault(`got ${String(value)} for ${name}, needs an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw fault(`needs a list for ${name}`);
  return value;
}

const numbers = (value: unknown, name: string): number[] =>
  list(value, name).map((entry) => positive(entry, name));

function positive(value: unknown, name: string): number {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw fault(`got ${String(value)} for ${name}, needs a number above 0`);
}
