/** The command line of `npm run animate`: read, checked, and explained. */
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { root } from '../lib/steps.mjs';

/**
 * @typedef {object} AnimateCommand
 * @property {string | undefined} image absent = the first bundled example
 * @property {string} output
 * @property {{ name: string } | { folder: string } | undefined} model
 * @property {Partial<import('../../src/engine/settings.ts').Settings>} settings
 * @property {string | undefined} report
 * @property {string | undefined} browser
 * @property {string | undefined} dist
 * @property {boolean} software
 * @property {number} timeoutSeconds
 */

const limits = JSON.parse(readFileSync(join(root, 'src/engine/settings-limits.json'), 'utf8'));

const PRESETS = /** @type {const} */ (['preview', 'standard', 'high']);
const PRECISIONS = /** @type {const} */ (['auto', 'f32', 'f16']);

/** The largest picture file that the app takes. */
const LARGEST_FILE = 64 * 2 ** 20;
const DEFAULT_TIMEOUT = 3600;

export const HELP = `Animates a picture: npm run animate -- [IMAGE] [OPTION...]

  IMAGE                  PNG, JPEG, WebP, GIF, BMP or AVIF; without one, a bundled photograph
  --prompt TEXT          what should happen; the built-in model reads words of motion only
  -o, --output FILE      the MP4 file to write (default: out/NAME.mp4)
  --model NAME|DIR       a model of this build, or a folder with config.json and model.safetensors
  --preset NAME          ${PRESETS.join(', ')} (default: standard; preview where there is no graphics card)
  --frames N             ${range('frames')}
  --size WxH             sides ${range('side')}, multiples of 4; the picture is cropped to it
  --steps N              steps of the sampler, ${range('steps')}
  --motion X             strength of motion, ${range('motion')} (default: 0.5)
  --camera WORDS         e.g. "pan left, slowly zoom in", "orbit right", "still"
  --loop                 the end meets the beginning
  --seed N               another number, another motion (default: 0)
  --precision P          auto, f32 or f16 (default: auto)
  --fps N                ${range('fps')} (default: 24)
  --report FILE.json     write timings, adapter, memory and hashes of the frames
  --browser PATH         Chrome or Chromium to use
  --software             compute on the processor even where there is a graphics card
  --dist DIR             a built app to use as it is
  --timeout S            give up after so many seconds (default: ${DEFAULT_TIMEOUT})`;

/**
 * Returns the command in `args`, or undefined when help was asked for. Throws a `CommandError` for bad input.
 * @param {readonly string[]} args
 * @returns {AnimateCommand | undefined}
 */
export function readCommand(args) {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  if (positionals.length > 1) throw bad(`got ${positionals.length} pictures, takes one at a time`);
  const image = positionals[0] === undefined ? undefined : checkedImage(positionals[0]);
  const name = image === undefined ? 'example' : basename(image, extname(image));
  return {
    image,
    output: checkedOutput(values.output, join('out', `${name}.mp4`)),
    model: checkedModel(values.model),
    settings: {
      ...text('prompt', values.prompt),
      ...text('camera', values.camera),
      ...(values.preset !== undefined && {
        preset: oneOf('preset', values.preset, PRESETS),
      }),
      ...(values.precision !== undefined && {
        precision: oneOf('precision', values.precision, PRECISIONS),
      }),
      ...number('frames', values.frames),
      ...number('steps', values.steps),
      ...number('motion', values.motion),
      ...number('seed', values.seed),
      ...number('fps', values.fps),
      ...size(values.size),
      ...(values.loop && { loop: true }),
    },
    report: values.report === undefined ? undefined : checkedOutput(values.report, ''),
    browser: values.browser,
    dist: values.dist === undefined ? undefined : here(values.dist),
    software: values.software === true,
    timeoutSeconds: seconds(values.timeout),
  };
}

/** @param {readonly string[]} args */
function parse(args) {
  const string = /** @type {const} */ ({ type: 'string' });
  const boolean = /** @type {const} */ ({ type: 'boolean' });
  const options = {
    prompt: string,
    output: /** @type {const} */ ({ type: 'string', short: 'o' }),
    model: string,
    preset: string,
    frames: string,
    size: string,
    steps: string,
    motion: string,
    camera: string,
    loop: boolean,
    seed: string,
    precision: string,
    fps: string,
    report: string,
    browser: string,
    software: boolean,
    dist: string,
    timeout: string,
    help: /** @type {const} */ ({ type: 'boolean', short: 'h' }),
  };
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const [, unknown] = /^Unknown option '([^']+)'/.exec(message) ?? [];
    if (unknown !== undefined) throw bad(`unknown option ${unknown}`);
    const [, ambiguous] = /^Option '([^']+)' argument is ambiguous/.exec(message) ?? [];
    if (ambiguous === undefined) throw bad(message.split('\n', 1).join(''));
    throw bad(`${ambiguous} needs a value; one that begins with "-" goes as ${ambiguous}=VALUE`);
  }
}

/**
 * @param {string} message
 * @returns {CommandError}
 */
function bad(message) {
  return new CommandError(`${message} (--help explains)`, EXIT.badInput);
}

/**
 * Paths are meant from the folder where the user stands, also below the repository, where npm moves away from.
 * @param {string} path
 */
function here(path) {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}

/** @param {string} path */
function checkedImage(path) {
  const file = here(path);
  const stats = statSync(file, { throwIfNoEntry: false });
  if (!stats) throw bad(`no file ${path}`);
  if (!stats.isFile()) throw bad(`${path} is not a file`);
  if (stats.size === 0) throw bad(`${path} is empty`);
  if (stats.size > LARGEST_FILE) {
    throw bad(`${path} has ${stats.size} bytes, pictures may have ${LARGEST_FILE}`);
  }
  return file;
}

/**
 * @param {string | undefined} path
 * @param {string} byDefault below the repository
 */
function checkedOutput(path, byDefault) {
  if (path === undefined) return join(root, byDefault);
  const file = here(path);
  if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
    throw bad(`no folder ${dirname(path)} to write to`);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw bad(`${path} is a folder`);
  return file;
}

/** @param {string | undefined} model */
function checkedModel(model) {
  if (model === undefined) return undefined;
  const folder = here(model);
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  return isFolder ? { folder } : { name: model };
}

/**
 * @param {'prompt' | 'camera'} name
 * @param {string | undefined} value
 */
function text(name, value) {
  return value === undefined ? {} : { [name]: value };
}

/**
 * @template {string} T
 * @param {string} name
 * @param {string} value
 * @param {readonly T[]} known what it may be
 * @returns {T}
 */
function oneOf(name, value, known) {
  const found = known.find((one) => one === value);
  if (found === undefined) throw bad(`--${name} got "${value}", takes ${known.join(', ')}`);
  return found;
}

/**
 * @param {'frames' | 'steps' | 'motion' | 'seed' | 'fps'} name
 * @param {string | undefined} value
 */
function number(name, value) {
  if (value === undefined) return {};
  const [low, high] = limits[name];
  const parsed = value.trim() === '' ? NaN : Number(value);
  const isWhole = name === 'motion' || name === 'fps' || Number.isInteger(parsed);
  if (!(parsed >= low && parsed <= high && isWhole)) {
    throw bad(`--${name} got "${value}", takes ${range(name)}`);
  }
  return { [name]: parsed };
}

/**
 * @param {string | undefined} value
 * @returns {{ size?: { width: number, height: number } }}
 */
function size(value) {
  if (value === undefined) return {};
  const match = /^(\d+)[x×](\d+)$/.exec(value);
  if (!match) throw bad(`--size got "${value}", takes WxH such as 768x512`);
  const [width, height] = [Number(match[1]), Number(match[2])];
  const [low, high] = limits.side;
  if (![width, height].every((side) => side >= low && side <= high && side % 4 === 0)) {
    throw bad(`--size got "${value}", takes sides ${range('side')}, multiples of 4`);
  }
  return { size: { width, height } };
}

/** @param {string | undefined} value */
function seconds(value) {
  if (value === undefined) return DEFAULT_TIMEOUT;
  const parsed = Number(value);
  if (!(parsed > 0)) throw bad(`--timeout got "${value}", takes seconds`);
  return parsed;
}

/** @param {string} name */
function range(name) {
  const [low, high] = limits[name];
  return `from ${low} to ${high}`;
}
