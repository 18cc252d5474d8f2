/** The command line of `npm run animate`: read, checked, and explained. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { root } from '../lib/steps.mjs';
import { SPEECH_HELP, SPEECH_OPTIONS, speechWishes } from './speech-options.mjs';

/**
 * @typedef {object} SpeechCommand
 * @property {string} sound
 * @property {string} folder
 * @property {import('../../src/app/engine/protocol.ts').SpeakWishes} wishes
 */

/**
 * @typedef {object} AnimateCommand
 * @property {string | undefined} image absent = the first bundled example
 * @property {string | undefined} lastImage the picture to arrive at
 * @property {string} output
 * @property {{ name: string } | { fetch: string[] } | { folder: string, paths: string[], variant?: string } | undefined} model
 * @property {Partial<import('../../src/engine/settings.ts').Settings>} settings
 * @property {SpeechCommand | undefined} speech present = the picture speaks
 * @property {string | undefined} report
 * @property {string | undefined} browser
 * @property {string | undefined} dist
 * @property {boolean} software
 * @property {number} timeoutSeconds
 */

const limits = JSON.parse(readFileSync(join(root, 'src/engine/settings-limits.json'), 'utf8'));

/** @param {string} path */
const jsonIn = (path) => JSON.parse(readFileSync(path, 'utf8'));

const catalog = jsonIn(join(root, 'weights/catalog.json'));

/** Names in the catalog, four a line of the help. */
function catalogIds() {
  const ids = [...catalog.models, ...catalog.clips].map(({ id }) => id);
  const lines = ids.flatMap((_, i) => (i % 4 === 0 ? [ids.slice(i, i + 4).join(', ')] : []));
  return lines.join(`,\n${' '.repeat(25)}`);
}

/** The released DynamiCrafters. */
const VARIANTS = /** @type {const} */ (['256', '512', '1024', '512-interpolation']);
const PRESETS = /** @type {const} */ (['preview', 'standard', 'high']);
const WEIGHTS = /** @type {const} */ (['int8', 'w8a8', 'int4']);
const PRECISIONS = /** @type {const} */ (['auto', 'f32', 'f16']);

/** The largest picture file that the app takes. */
const LARGEST_FILE = 64 * 2 ** 20;
/** The longest sound: an hour of uncompressed stereo. */
const LARGEST_SOUND = 2 ** 30;
const DEFAULT_TIMEOUT = 3600;

export const HELP = `Animates a picture: npm run animate -- [IMAGE] [OPTION...]

  IMAGE                  PNG, JPEG, WebP, GIF, BMP or AVIF; without one, a bundled photograph
  --prompt TEXT          what should happen; the built-in model reads words of motion only
  -o, --output FILE      the MP4 file to write (default: out/NAME.mp4); .png with a model that paints
  --model NAME|DIR       a model of this build, a folder with config.json and model.safetensors, or the folder of a
                         released Wan model: transformer/, vae/, text_encoder/, tokenizer/; of I2VGen-XL: unet/, vae/,
                         text_encoder/, image_encoder/, scheduler/, tokenizer/; or of a DynamiCrafter: model.ckpt and
                         CLIP's tokenizer.json, or vocab.json and merges.txt; of NewBie-image, which paints, or one that
                         has it in picture/ and a Wan model in video/; or one of the catalog, which is fetched:
                         ${catalogIds()}
  --hub URL              where models are fetched from (default: https://huggingface.co; a mirror: https://hf-mirror.com)
  --cache DIR            where fetched models are kept (default: ~/.cache/zoetrope)
  --catalog FILE         another list of models than weights/catalog.json
  --preset NAME          ${PRESETS.join(', ')} (default: standard; preview where there is no graphics card)
  --frames N             ${range('frames')}
  --size WxH             sides ${range('side')}, multiples of 4; the picture is cropped to it
  --steps N              steps of the sampler, ${range('steps')}
  --motion X             strength of motion, ${range('motion')} (default: 0.5)
  --camera WORDS         e.g. "pan left, slowly zoom in", "orbit right", "still"
  --negative-prompt TEXT what should not be seen; for models that read prompts whole
  --guidance X           the prompt's pull, ${range('guidance')}; 1 halves the work of a step
  --shift X              noise levels pushed up, ${range('shift')}
  --loop                 the end meets the beginning
  --variant NAME         which DynamiCrafter it is: ${VARIANTS.join(', ')} (default: by the folder's name)
  --last-image FILE      the picture to arrive at, with DynamiCrafter 512-interpolation
  --rate N               frames a second, or between two, that a model of clips is told, ${range('rate')}
  --eta X                share of fresh noise in each of its steps, ${range('eta')}
  --image-guidance X     the picture's pull apart from the prompt's, ${range('imageGuidance')}; half as much work again
  --seed N               another number, another motion (default: 0)
  --precision P          auto, f32 or f16 (default: auto)
  --weights W            weights of a large model as small integers: int8 is half the memory, int4 a quarter; w8a8 is
                         int8 with activations of 8 bits as well, for cards that multiply integers faster
  --stream               read weights block by block in each step, for a model that the graphics memory does not hold
  --fps N                ${range('fps')} (default: 24)
  --report FILE.json     write timings, adapter, memory and hashes of the frames
  --audio FILE           makes the picture speak, with a model that can: WAV, MP3 or what else the browser plays;
                         takes --prompt, --size WxH (an area), --seed, --precision and the model's own options:
${SPEECH_HELP}
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
  const speech = values.audio === undefined ? undefined : checkedSpeech(values.audio, values);
  if (!speech) refuseSpeechOptions(values);
  return {
    image,
    lastImage: values['last-image'] === undefined ? undefined : checkedImage(values['last-image']),
    output: checkedOutput(values.output, join('out', `${name}.mp4`)),
    model: checkedModel(values),
    settings: speech
      ? {}
      : {
          ...text('prompt', values.prompt),
          ...text('camera', values.camera),
          ...text('negativePrompt', values['negative-prompt']),
          ...(values.weights !== undefined && {
            weights: oneOf('weights', values.weights, WEIGHTS),
          }),
          ...number('guidance', values.guidance),
          ...number('shift', values.shift),
          ...number('rate', values.rate),
          ...number('eta', values.eta),
          ...number('imageGuidance', values['image-guidance'], 'image-guidance'),
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
          ...(values.stream && { stream: true }),
        },
    speech,
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
    hub: string,
    cache: string,
    catalog: string,
    preset: string,
    frames: string,
    size: string,
    steps: string,
    motion: string,
    camera: string,
    'negative-prompt': string,
    guidance: string,
    shift: string,
    rate: string,
    eta: string,
    'image-guidance': string,
    'last-image': string,
    variant: string,
    loop: boolean,
    stream: boolean,
    seed: string,
    precision: string,
    fps: string,
    report: string,
    audio: string,
    ...SPEECH_OPTIONS,
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

/**
 * @param {string} path
 * @param {ReturnType<typeof parse>['values']} values
 * @returns {SpeechCommand}
 */
function checkedSpeech(path, values) {
  const sound = here(path);
  const stats = statSync(sound, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw bad(`no file ${path}`);
  if (stats.size === 0) throw bad(`${path} is empty`);
  if (stats.size > LARGEST_SOUND) {
    throw bad(`${path} has ${stats.size} bytes, sounds may have ${LARGEST_SOUND}`);
  }
  const model = checkedModel(values);
  if (!model || !('folder' in model)) throw bad('--audio needs --model DIR, a model that speaks');
  return { sound, folder: model.folder, wishes: speechWishes(values, bad) };
}

/** @param {ReturnType<typeof parse>['values']} values */
function refuseSpeechOptions(values) {
  const names = /** @type {(keyof typeof SPEECH_OPTIONS)[]} */ (Object.keys(SPEECH_OPTIONS));
  const given = names.find((name) => name !== 'weights' && values[name] !== undefined);
  if (given) throw bad(`--${given} needs --audio FILE`);
}

/**
 * @param {ReturnType<typeof parse>['values']} values
 * @returns {AnimateCommand['model']}
 */
function checkedModel(values) {
  const { model, variant } = values;
  if (model === undefined) return undefined;
  const folder = here(model);
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder) return folderModel(folder, variant);
  const list = values.catalog === undefined ? catalog : jsonIn(here(values.catalog));
  const known = [...list.models, ...list.clips];
  if (known.some((/** @type {{ id: string }} */ { id }) => id === model)) {
    const from = { hub: values.hub, cache: pathOf(values.cache), catalog: pathOf(values.catalog) };
    const options = Object.entries(from).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, value],
    );
    return { fetch: [model, ...options] };
  }
  return { name: model };
}

/** @param {string | undefined} path */
const pathOf = (path) => (path === undefined ? undefined : here(path));

/**
 * Returns the model in a folder.
 * @param {string} folder
 * @param {string | undefined} variant which DynamiCrafter it is, where its name does not tell
 * @returns {{ folder: string, paths: string[], variant?: string }}
 */
export function folderModel(folder, variant) {
  const known =
    variant === undefined ? variantIn(basename(folder)) : oneOf('variant', variant, VARIANTS);
  return { folder, paths: pathsIn(folder), ...(known !== undefined && { variant: known }) };
}

/**
 * Which DynamiCrafter a folder's name tells of, as the hub has them: DynamiCrafter_512_Interp.
 * @param {string} name
 */
function variantIn(name) {
  if (/interp/i.test(name)) return '512-interpolation';
  return VARIANTS.find((each) => name.includes(each));
}

/**
 * @param {string} folder
 * @returns {string[]} paths of the files in it and below, parts joined by `/`
 */
function pathsIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

/**
 * @param {'prompt' | 'camera' | 'negativePrompt'} name
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
 * @param {'frames' | 'steps' | 'motion' | 'seed' | 'fps' | 'guidance' | 'shift' | 'rate' | 'eta' | 'imageGuidance'} name
 * @param {string | undefined} value
 * @param {string} [option] what it is called on the command line
 */
function number(name, value, option = name) {
  if (value === undefined) return {};
  const [low, high] = limits[name];
  const parsed = value.trim() === '' ? NaN : Number(value);
  const isWhole = !['frames', 'steps', 'seed'].includes(name) || Number.isInteger(parsed);
  if (!(parsed >= low && parsed <= high && isWhole)) {
    throw bad(`--${option} got "${value}", takes ${range(name)}`);
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
