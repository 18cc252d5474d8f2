/** The whole pipelines of the 3-D UNets: pictures and text in, latents and frames out. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import { generateI2vgen } from '../../../src/engine/models/i2vgenxl/pipeline.ts';
import type {
  I2vgenComponent,
  I2vgenSource,
} from '../../../src/engine/models/i2vgenxl/pipeline.ts';
import type { Rename } from '../../../src/engine/weights/weight-store.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import { clipPolicy } from '../../../src/engine/models/unet3d/policy.ts';
import type { CaseContext, Checker, Output } from '../case.ts';
import { joined, numberIn, objectIn } from '../json.ts';

/** Where a case keeps the settings of each component. */
const CONFIGS: Readonly<Record<I2vgenComponent, string>> = {
  unet: 'unet',
  vae: 'vae',
  text_encoder: 'text',
  image_encoder: 'vision',
  scheduler: 'scheduler',
};

/** All components stand in one file, their names before those of the tensors. */
function i2vgenSource({ config, open }: CaseContext): I2vgenSource {
  return {
    config: (name) => Promise.resolve(objectIn(config, CONFIGS[name])),
    weights: async (component, rename) => {
      const names = new Set((await open('model')).names());
      return open('model', below(`${component}.`, rename, names));
    },
  };
}

/** Names below a prefix as they are, or spelled by `rename` where they are not there. */
const below =
  (prefix: string, rename: Rename | undefined, names: ReadonlySet<string>): Rename =>
  (name) => {
    const alias = names.has(prefix + name) ? name : (rename?.(name) ?? name);
    return typeof alias === 'string' ? prefix + alias : { ...alias, name: prefix + alias.name };
  };

export const i2vgenClip: Checker = {
  matches: ({ unet, scheduler }, io) =>
    typeof unet === 'object' && typeof scheduler === 'object' && io.includes('in.image_rgb_u8'),
  async run(whole) {
    const context = { ...whole, quantise: clipPolicy(whole.quantise) };
    const { config, io, blocks } = context;
    const noise = await io.read('in.initial_noise');
    const latentNoise = await io.read('in.vae_posterior_noise');
    const { values: bytes, shape } = await io.read('in.image_rgb_u8');
    const [height = 1, width = 1, channels = 3] = shape;
    const C = noise.shape[1] ?? 1;
    const traces = new Map<string, Float32Array>();
    const request = {
      prompt: (await io.read('in.prompt_ids')).values,
      negativePrompt: (await io.read('in.negative_ids')).values,
      image: { width, height, channels, data: Uint8ClampedArray.from(bytes) },
      width: numberIn(config, 'width'),
      height: numberIn(config, 'height'),
      frames: numberIn(config, 'frames'),
      rate: numberIn(config, 'target_fps'),
      steps: numberIn(config, 'steps'),
      guidance: numberIn(config, 'guidance_scale'),
      noise: channelsLast(noise.values, noise.shape),
      latentNoise: channelsLast(latentNoise.values, latentNoise.shape),
      exactCrop: true,
    };
    const frames: Float32Array[] = [];
    const options = {
      onTrace: (name: string, values: Float32Array) => void traces.set(name, values),
    };
    for await (const { data } of generateI2vgen(context, i2vgenSource(context), request, options))
      frames.push(channelsFirst(data, 3));
    const traced = (name: string): Float32Array => {
      const values = traces.get(name);
      if (values) return values;
      throw new EngineError('verify/unknown', `${name} — the pipeline does not show it`);
    };
    const both = (first: Float32Array, second: Float32Array): Float32Array =>
      joined([first, second]);
    const [text, negative] = [traced('prompt_embeds'), traced('negative_prompt_embeds')];
    const seen = traced('image_embeds');
    const latents = channelsFirst(traced('image_latents'), C);
    const network = (name: string, values: Float32Array): Output => ({
      name,
      values,
      measure: 'network',
    });
    const stages = [
      network('act.prompt_embeds', text),
      network('act.negative_prompt_embeds', negative),
      network('act.context_text_2', both(negative, text)),
      network('act.clip_image_embeds_2', both(new Float32Array(seen.length), seen)),
      network('act.image_latents_2', both(latents, latents)),
    ];
    return [
      ...(blocks ? stages.filter(({ name }) => io.has(name)) : []),
      { name: 'out.latents', values: channelsFirst(traced('latents'), C), measure: 'latents' },
      { name: 'out.frames_01', values: joined(frames), measure: 'frames' },
    ];
  },
};
