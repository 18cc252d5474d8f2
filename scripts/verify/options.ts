/** The command line of `npm run verify`. */
import { parseArgs } from 'node:util';
import type { AdapterChoice } from './adapter.ts';
import type { Level } from './case.ts';
import { LEVELS } from './case.ts';
import { ADAPTERS, usualAdapter } from './adapter.ts';

export const HELP = `npm run verify -- DIR... [options]

Runs every golden case below the folders (a case is a folder with config.json and io.safetensors) and compares
what the engine computes with the stored outputs.

  --only NAME        only cases whose name contains NAME; may be given several times
  --except NAME      leave out cases whose name contains NAME; may be given several times
  --precision P      f32 (default) or f16: storage and arithmetic of weights and activations;
                     int8 or int4: f16 with weight matrices of 8 or 4 bits
  --integers         quantise activations too, row by row, and multiply integers
  --policy FILE      which matrices int8 and int4 quantise: a file of npm run calibrate
  --adapter A        lavapipe, swiftshader or default (the machine's own GPU);
                     without it lavapipe where installed, else default
  --blocks           compare stored intermediates too
  --help             this text

Bars, as ‖ours − reference‖ / ‖reference‖:  one network 1e-4 (f32), 1e-2 (f16), 3e-2 (int8), 0.25 (int4)
  · sampler trajectory 1e-5 · whole pipeline 1e-3 (f32), PSNR 35 dB (f16), 42 dB (int8), 20 dB (int4). Values that are not finite fail.`;

export type Options = {
  readonly folders: readonly string[];
  readonly only: readonly string[];
  readonly except: readonly string[];
  readonly precision: Level;
  /** Whether activations are quantised too. */
  readonly integers: boolean;
  /** A file that says which matrices are quantised. */
  readonly policy: string | undefined;
  readonly adapter: AdapterChoice;
  readonly blocks: boolean;
  readonly help: boolean;
};

/** Returns the options in `args`. Throws an `Error` that reads as one clear line. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      except: { type: 'string', multiple: true, default: [] },
      precision: { type: 'string', default: 'f32' },
      policy: { type: 'string' },
      integers: { type: 'boolean', default: false },
      adapter: { type: 'string' },
      blocks: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { only, except, blocks, help } = values;
  const precision = oneOf('precision', values.precision, LEVELS);
  const adapter = oneOf('adapter', values.adapter ?? usualAdapter(), ADAPTERS);
  const idle = values.policy !== undefined ? 'policy' : values.integers ? 'integers' : undefined;
  if (idle !== undefined && !precision.startsWith('int'))
    throw new Error(`--${idle}: got --precision ${precision}, needs int8 or int4`);
  if (positionals.length === 0 && !help)
    throw new Error('no folder given: see npm run verify -- --help');
  return {
    folders: positionals,
    only,
    except,
    precision,
    policy: values.policy,
    integers: values.integers,
    adapter,
    blocks,
    help,
  };
}

function oneOf<const T extends string>(name: string, value: string, known: readonly T[]): T {
  const found = known.find((choice) => choice === value);
  if (!found) throw new Error(`--${name}: got ${value}, needs one of ${known.join(', ')}`);
  return found;
}
