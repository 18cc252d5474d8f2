/** Whole pipelines: prompts, picture and noise in, latents of every step and frames out. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import type { Raster } from '../../../src/engine/image/resize.ts';
import type { ComponentSource } from '../../../src/engine/models/wan/components.ts';
import type { Conditions } from '../../../src/engine/models/wan/expert.ts';
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
    const onTrace = (trace: WanTrace): void => {
      if (trace.stage === 'latent') latents.push(channelsFirst(trace.latent, channels));
      else if (blocks) stages.push(...conditionOutputs(trace.conditions, io));
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

/** Conditions under the names that intermediates have; those that are stored. */
function conditionOutputs(conditions: Conditions, io: CaseContext['io']): Output[] {
  const { prompt, negativePrompt, imageTokens, channels, firstFrame } = conditions;
  const named = {
    'mid.prompt_embeds': prompt,
    'mid.negative_prompt_embeds': negativePrompt,
    'mid.image_embeds': imageTokens,
    'mid.condition': channels ?? firstFrame,
  };
  return Object.entries(named).flatMap(([name, values]) =>
    values && io.has(name) ? [{ name, values, measure: 'network' as const }] : [],
  );
}

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
  const [image] = await rastersOf(io, 'in.image_01');
  const [lastImage] = await rastersOf(io, 'in.last_image_01');
  const clipImages = await rastersOf(io, 'in.clip_pixel_values');
  const guidance2 = call['guidance_scale_2'];
  const boundary = config['boundary_ratio'];
  return {
    prompt: numbersIn(config, 'prompt_ids'),
    ...('negative_prompt_ids' in config && {
      negativePrompt: numbersIn(config, 'negative_prompt_ids'),
    }),
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
    ...(image && { image }),
    ...(lastImage && { lastImage }),
    ...(clipImages.length > 0 && { clipImages }),
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

/** Stored pictures [n, 3, H, W]; none when the name is not there. */
async function rastersOf(io: CaseContext['io'], name: string): Promise<Raster[]> {
  if (!io.has(name)) return [];
  const { values, shape } = await io.read(name);
  const [count = 1, channels = 3, height = 0, width = 0] = shape;
  const span = values.length / count;
  return Array.from({ length: count }, (_, i) => {
    const picture = values.subarray(i * span, (i + 1) * span);
    const data = channelsLast(picture, [1, channels, height, width]);
    return { width, height, channels, data };
  });
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
