/** DynamiCrafter behind CLIP: a picture in motion, two joined, a loop, with one pull or with two. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import { generateDynamiCrafter } from '../../../src/engine/models/dynamicrafter/pipeline.ts';
import type {
  DynamiCrafterMode,
  DynamiCrafterRequest,
} from '../../../src/engine/models/dynamicrafter/request.ts';
import { clipPolicy } from '../../../src/engine/models/unet3d/policy.ts';
import type { DynamiCrafterSource } from '../../../src/engine/models/dynamicrafter/see.ts';
import type { Raster } from '../../../src/engine/image/resize.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output } from '../case.ts';
import { joined, numberIn, objectIn } from '../json.ts';

const MODES: Readonly<Record<string, DynamiCrafterMode>> = {
  i2v: 'video',
  interp: 'interpolation',
  loop: 'loop',
};

export const dynamiCrafterClip: Checker = {
  matches: ({ params, modes }, io) =>
    typeof params === 'object' && typeof modes === 'object' && io.includes('in.clip_tokens'),
  async run(whole) {
    const context = { ...whole, quantise: clipPolicy(whole.quantise) };
    const { config, open } = context;
    const source: DynamiCrafterSource = {
      params: objectIn(config, 'params'),
      weights: (rename) => open('model', rename),
    };
    const outputs: Output[] = [];
    for (const tag of Object.keys(objectIn(config, 'modes')))
      outputs.push(...(await runMode(context, source, tag)));
    return outputs;
  },
};

async function runMode(
  context: CaseContext,
  source: DynamiCrafterSource,
  tag: string,
): Promise<Output[]> {
  const { io, config, blocks } = context;
  const request = await requestOf(context, tag);
  const C = (await io.read(`${tag}.in.x_T`)).shape[1] ?? 1;
  const traces = new Map<string, Float32Array[]>();
  const onTrace = (name: string, values: Float32Array): void => {
    traces.set(name, [...(traces.get(name) ?? []), values]);
  };
  let yielded = 0;
  for await (const frame of generateDynamiCrafter(context, source, request, { onTrace }))
    yielded = frame.index + 1;
  const expected = numberIn(config, 'frames') - (request.mode === 'loop' ? 1 : 0);
  if (yielded !== expected)
    throw new EngineError('verify/frames', `${tag} — got ${yielded} frames, needs ${expected}`);
  const planes = (name: string, channels: number): Float32Array[] =>
    (traces.get(name) ?? []).map((values) => channelsFirst(values, channels));
  const frames = planes('frame', 3); // [3, H, W] each
  const span = (frames[0]?.length ?? 0) / 3;
  const clip = [0, 1, 2].map((c) =>
    joined(frames.map((frame) => frame.subarray(c * span, (c + 1) * span))),
  );
  const latents = (name: string, values: readonly Float32Array[]): Output => ({
    name,
    values: joined(values),
    measure: 'latents',
  });
  const network = (name: string, traced: string, channels: number): Output[] => {
    const values = planes(traced, channels);
    return io.has(name) && values.length > 0
      ? [{ name, values: joined(values), measure: 'network' }]
      : [];
  };
  const tokens = (name: string): Output[] => {
    const [values] = traces.get(name) ?? [];
    return values ? [{ name: `act.${name}`, values, measure: 'network' }] : [];
  };
  const stages = [
    ...[...tokens('image_tokens'), ...tokens('uncond_image_tokens')],
    ...[...network('act.z1', 'z1', C), ...network('act.z2', 'z2', C)],
    ...network(`${tag}.in.c_concat`, 'channels', C),
    latents(`${tag}.act.x_after_step`, planes('step', C)),
  ];
  return [
    ...(blocks ? stages : []),
    latents(`${tag}.out.latents`, planes('latents', C)),
    latents(`${tag}.out.frames`, clip),
  ];
}

async function requestOf({ io, config }: CaseContext, tag: string): Promise<DynamiCrafterRequest> {
  const [name = ''] = tag.split('_');
  const mode = MODES[name];
  if (!mode) throw new EngineError('verify/unknown', `mode ${tag} — not known what it is`);
  const read = async (key: string): Promise<Float32Array> => (await io.read(key)).values;
  const clip = async (key: string): Promise<Float32Array> => {
    const { values, shape } = await io.read(key);
    return channelsLast(values, shape);
  };
  const picture = async (key: string): Promise<Raster> => {
    const { shape } = await io.read(key);
    const [, channels = 3, height = 1, width = 1] = shape;
    return { width, height, channels, data: await clip(key) };
  };
  const rows = async (key: string, axes: number): Promise<Float32Array[]> => {
    const { values, shape } = await io.read(key);
    const [count = 1] = shape;
    const span = values.length / count;
    return Array.from({ length: count }, (_, i) =>
      channelsLast(values.subarray(i * span, (i + 1) * span), shape.slice(1, 1 + axes)),
    );
  };
  const imageGuidance = objectIn(objectIn(config, 'modes'), tag)['extra_cfg_img'];
  return {
    mode,
    prompt: [],
    image: await picture('in.image'),
    ...(mode === 'interpolation' && { lastImage: await picture('in.image2') }),
    rate: (await read('in.fs'))[0] ?? NaN,
    steps: numberIn(config, 'steps'),
    guidance: numberIn(config, 'guidance_scale'),
    ...(typeof imageGuidance === 'number' && { imageGuidance }),
    rescale: numberIn(config, 'guidance_rescale'),
    eta: numberIn(config, 'eta'),
    noise: await clip(`${tag}.in.x_T`),
    stepNoise: await rows(`${tag}.in.noise`, 5),
    latentNoise: await rows('in.vae_posterior_noise', 4),
    seen: {
      text: await read('in.text_embeds'),
      emptyText: await read('in.empty_text_embeds'),
      picture: await read('in.clip_tokens'),
      emptyPicture: await read('in.clip_tokens_of_zero_image'),
    },
  };
}
