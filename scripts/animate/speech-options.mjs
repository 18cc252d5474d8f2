/** The options of a picture that speaks, under the names of the model's own command line. */

const string = /** @type {const} */ ({ type: 'string' });
const boolean = /** @type {const} */ ({ type: 'boolean' });

/** As `parseArgs` takes them. */
export const SPEECH_OPTIONS = {
  sample_steps: string,
  skip_last_step: boolean,
  infer_frames: string,
  num_clip: string,
  sample_guide_scale: string,
  enable_online_decode: boolean,
  offload_model: string,
  weights: string,
  kv_cache: string,
};

export const SPEECH_HELP = `    --sample_steps N         3 to 6 (default: 4); --skip_last_step leaves out the last, which does least
    --infer_frames N         frames of a clip, and of what is remembered: a multiple of 12 (default: 48)
    --num_clip N             clips at most; by default as many as the sound has
    --enable_online_decode   the past that is looked at comes from the first clip, not from the picture
    --offload_model BOOL     one network at a time while inputs are read (default: true)
    --sample_guide_scale 0   the model takes no guidance
    --kv_cache int8          what is remembered as small integers: half the memory`;

/** @typedef {{ [name in keyof typeof SPEECH_OPTIONS]?: string | boolean | undefined }} SpeechValues */
/** @typedef {import('../../src/app/engine/protocol.ts').SpeakWishes} SpeakWishes */

/**
 * @param {unknown} value
 * @returns {value is 'int8' | 'w8a8' | 'int4'}
 */
const isWeights = (value) => value === 'int8' || value === 'w8a8' || value === 'int4';

/**
 * Returns what is asked of the model. Numbers are read here and judged by the engine. `bad` makes the error for text
 * that is no number.
 * @param {SpeechValues & { prompt?: string | undefined, size?: string | undefined, seed?: string | undefined, precision?: string | undefined }} values
 * @param {(message: string) => Error} bad
 * @returns {SpeakWishes}
 */
export function speechWishes(values, bad) {
  const { weights, precision, offload_model: offload, size } = values;
  /** @param {keyof SpeechValues | 'seed'} name */
  const number = (name) => {
    const value = values[name];
    if (value === undefined) return undefined;
    const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
    if (!Number.isFinite(parsed)) throw bad(`--${name} got "${value}", takes a number`);
    return parsed;
  };
  if (weights !== undefined && !isWeights(weights)) {
    throw bad(`--weights got "${weights}", takes int8, w8a8 or int4`);
  }
  if (precision !== undefined && !['auto', 'f32', 'f16'].includes(precision)) {
    throw bad(`--precision got "${precision}", takes auto, f32, f16`);
  }
  if (offload !== undefined && !/^(true|false)$/i.test(`${offload}`)) {
    throw bad(`--offload_model got "${offload}", takes true or false`);
  }
  const settings = {
    sample_steps: number('sample_steps'),
    infer_frames: number('infer_frames'),
    num_clip: number('num_clip'),
    sample_guide_scale: number('sample_guide_scale'),
    base_seed: number('seed'),
    size,
    kv_cache: values.kv_cache,
    skip_last_step: values.skip_last_step,
    enable_online_decode: values.enable_online_decode,
    offload_model: offload === undefined ? undefined : /^true$/i.test(`${offload}`),
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return {
    prompt: values.prompt ?? '',
    settings: Object.fromEntries(given),
    ...(precision !== undefined && {
      precision: /** @type {'auto' | 'f32' | 'f16'} */ (precision),
    }),
    ...(weights !== undefined && { weights }),
  };
}
