/** Whole pipelines: prompts, picture and noise in, latents of every step and frames out. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import type { Raster } from '../../../src/engine/image/resize.ts';
import type { ComponentSource } from '../../../src/engine/models/wan/components.ts';
import type { WanRequest } from '../../../src/engine/models/wan/pipeline-request.ts';
import { generate } from '../../../src/engine/models/wan/pipeline.ts';
import type { WanTrace } from '../../../src/engine/models/wan/pipeline.ts';
import type { SamplerKind } from '../../../src/engine/sampling/sampler.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output } from '../case.ts';

type Json = Readonly<Record<string, unknown>>;

export const pipelines: Checker = {
  matches: (config, io) =>
    Array.isArray(config['components']) && 'call' in config && io.includes('in.noise'),
  async run(context) {
    const { io, blocks } = context;
    const request = await requestOf(context);
    const { shape: noiseShape } = await io.read('in.noise');
    const channels = noiseShape[1] ?? 1;
    const latents: Float32Array[] = [];
    const stages: Output[] = [];
    const onTrace = ({ name, values }: WanTrace): void => {
      if (name === 'latent') latents.push(channelsFirst(values, channels));
      else if (blocks && io.has(`mid.${name}`))
        stages.push({ name: `mid.${name}`, values, measure: 'network' });
    };
    const frames: Float32Array[] = [];
    for await (const { data } of generate(context, componentsOf(context), request, { onTrace })) {
      frames.push(channelsFirst(data, 3));
    }
    const results: Output[] = [
      { name: 'out.latents_per_step', values: joined(latents), measure: 'latents' },
      { name: 'out.frames_01', values: joined(frames), measure: 'frames' },
    ];
    return [
      ...(await Promise.all(stages.map((stage) => inStoredOrder(context, stage)))),
      ...results,
    ];
  },
};

/** Intermediates in the order and with the padding in which they are stored. */
async function inStoredOrder({ io }: CaseContext, stage: Output): Promise<Output> {
  const { shape } = await io.read(stage.name);
  if (shape.length === 5) return { ...stage, values: channelsFirst(stage.values, shape[1] ?? 1) };
  const padded = new Float32Array(shape.reduce((a, b) => a * b, 1)); // prompts are stored with rows of zeros behind
  padded.set(stage.values);
  return { ...stage, values: padded };
}

async function requestOf({ config, io }: CaseContext): Promise<WanRequest> {
  const call = objectIn(config, 'call');
  const noise = await io.read('in.noise');
  const guidance2 = call['guidance_scale_2'];
  const boundary = config['boundary_ratio'];
  return {
    prompt: numbersIn(config, 'prompt_ids'),
    negativePrompt: numbersIn(config, 'negative_prompt_ids'),
    width: numberIn(call, 'width'),
    height: numberIn(call, 'height'),
    frames: numberIn(call, 'num_frames'),
    steps: numberIn(call, 'num_inference_steps'),
    guidance: numberIn(call, 'guidance_scale'),
    ...(typeof guidance2 === 'number' && { guidance2 }),
    ...(typeof boundary === 'number' && { boundary }),
    shift: numberIn(config, 'flow_shift'),
    solver: { kind: solverOf(objectIn(config, 'scheduler')), variant: 'diffusers' },
    noise: channelsLast(noise.values, noise.shape),
    ...(await rasterOf(io, 'in.image_01', 'image')),
    ...(await rasterOf(io, 'in.clip_pixel_values', 'clipImage')),
  };
}

/** The solver that a diffusers scheduler's settings belong to. */
function solverOf(scheduler: Json): SamplerKind {
  if (scheduler['solver_type'] === 'bh2') return 'unipc';
  if (scheduler['algorithm_type'] === 'dpmsolver++') return 'dpmpp';
  if (!('solver_type' in scheduler)) return 'flow_euler';
  throw new EngineError(
    'verify/unknown',
    `scheduler — got solver_type ${String(scheduler['solver_type'])}, which is not known`,
  );
}

/** A stored picture [1, 3, H, W] as an entry of the request; nothing when there is none. */
async function rasterOf<K extends 'image' | 'clipImage'>(
  io: CaseContext['io'],
  name: string,
  key: K,
): Promise<{ [P in K]?: Raster }> {
  if (!io.has(name)) return {};
  const { values, shape } = await io.read(name);
  const [, channels = 3, height = 0, width = 0] = shape;
  const raster: Raster = { width, height, channels, data: channelsLast(values, shape) };
  return { [key]: raster } as { [P in K]?: Raster };
}

function componentsOf({ config, weightFiles, readJson, open }: CaseContext): ComponentSource {
  const components: readonly unknown[] = Array.isArray(config['components'])
    ? config['components']
    : [];
  return {
    has: (name) => components.includes(name),
    config: (name) => readJson(`${name}/config.json`),
    weights: (name, rename) => {
      const file = weightFiles.find((path) => path.startsWith(`${name}/`));
      if (!file)
        throw new EngineError(
          'weights/missing',
          `${name} — got no safetensors file below its folder`,
        );
      return open(file, rename);
    },
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function objectIn(json: Json, key: string): Json {
  const value = json[key];
  if (typeof value === 'object' && value !== null) return value as Json;
  throw new EngineError('verify/config', `config.json — got no object ${key}`);
}

function numberIn(json: Json, key: string): number {
  const value = json[key];
  if (typeof value === 'number') return value;
  throw new EngineError('verify/config', `config.json — got no number ${key}`);
}

function numbersIn(json: Json, key: string): number[] {
  const value = json[key];
  if (Array.isArray(value) && value.every((entry): entry is number => typeof entry === 'number'))
    return value;
  throw new EngineError('verify/config', `config.json — got no list of numbers ${key}`);
}
