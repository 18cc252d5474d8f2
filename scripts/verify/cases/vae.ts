/** The Wan autoencoders: a video encoded and decoded chunk by chunk, one picture, and tiles. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import { readTensor } from '../../../src/engine/gpu/tensor.ts';
import type { VaeRunOptions } from '../../../src/engine/models/wan/vae.ts';
import { DEFAULT_TILING, WanVae } from '../../../src/engine/models/wan/vae.ts';
import { framesPerLatent, readVaeConfig } from '../../../src/engine/models/wan/vae-config.ts';
import { renameVae } from '../../../src/engine/models/wan/vae-names.ts';
import type { Tiling, Volume } from '../../../src/engine/models/wan/vae-tiles.ts';
import type { WeightStore } from '../../../src/engine/weights/weight-store.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output } from '../case.ts';

/** The latents of cases that decode a stream. */
const LATENTS = 'in.latents_normalized';

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The autoencoder's config: the case's own or under `vae`. */
const configIn = (config: Json): Json => (isObject(config['vae']) ? config['vae'] : config);

export const vae: Checker = {
  matches: (config, io) => 'temperal_downsample' in configIn(config) && io.includes('in.video'),
  async run(context) {
    const passes = context.weightFiles.filter((file) => /^model(_orig.*)?$/.test(file));
    const outputs: Output[] = [];
    for (const file of passes) {
      const config = readVaeConfig(configIn(context.config));
      const store = await context.open(file, renameVae(config));
      const own = await runPass(context, store);
      store.checkAllUsed();
      const note = file === 'model' ? {} : { note: 'original names' };
      outputs.push(...own.map((output) => ({ ...output, ...note })));
    }
    return outputs;
  },
};

/** Everything that the case stores, computed with one file of weights. */
async function runPass(context: CaseContext, store: WeightStore): Promise<Output[]> {
  const { io } = context;
  const wanted = io.names().filter((name) => name.startsWith('out.'));
  const tiling = tilingIn(context.config);
  const outputs: Output[] = [];
  for (const tiled of [false, true]) {
    const names = wanted.filter((name) => (tiling !== undefined || /tiled/.test(name)) === tiled);
    if (names.length === 0) continue;
    const model = new WanVae(context, store, readVaeConfig(configIn(context.config)), {
      tiling: tiled ? (tiling ?? DEFAULT_TILING) : 'never',
      taps: context.blocks && !tiled,
    });
    try {
      outputs.push(...(await streamed(context, model, names.filter(isStreamed))));
      for (const name of names.filter((other) => !isStreamed(other)))
        outputs.push(...(await compute(context, model, name)));
    } finally {
      model.destroy();
    }
  }
  return outputs;
}

const isStreamed = (name: string): boolean => /^out\.stream_call\d+$/.test(name);

/** The outputs of calls on one stream of latents, in order; each call takes the latents of the frames that it gives. */
async function streamed(
  context: CaseContext,
  model: WanVae,
  names: readonly string[],
): Promise<Output[]> {
  if (names.length === 0) return [];
  const {
    values,
    shape: [, h, w, C],
  } = await volume(context, LATENTS);
  const decode = model.decodeStream();
  const outputs: Output[] = [];
  let from = 0;
  for (let call = 0; call < names.length; call++) {
    const name = `out.stream_call${call}`;
    const frames = (await context.io.read(name)).shape[2] ?? 0;
    const count = Math.ceil(frames / framesPerLatent(model.config));
    const z = values.subarray(from * h * w * C, (from + count) * h * w * C);
    const parts: Float32Array[] = [];
    const latents: Volume = { values: z, shape: [count, h, w, C] };
    for await (const part of decode(latents, { clamp: false })) parts.push(part.values);
    outputs.push({ name, values: channelsFirst(joined(parts), 3), measure: 'network' });
    from += count;
  }
  return outputs;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** Tile sizes that the case states, under the names of diffusers. */
function tilingIn(config: Json): Tiling | undefined {
  const places = [config, configIn(config), config['tiling']].filter(isObject);
  const holder = places.find((place) => 'tile_sample_min_height' in place);
  if (!holder) return undefined;
  const span = (side: string): { tile: number; stride: number } => ({
    tile: Number(holder[`tile_sample_min_${side}`]),
    stride: Number(holder[`tile_sample_stride_${side}`]),
  });
  return { rows: span('height'), columns: span('width') };
}

/** One output by name, with the intermediates on the way to it. */
async function compute(context: CaseContext, model: WanVae, name: string): Promise<Output[]> {
  const base = name.replace(/^out\./, '').replace(/_?tiled_?/, '');
  const network = (values: Float32Array): Output => ({ name, values, measure: 'network' });
  const z = model.config.z_dim;
  const decoding = /^decoded(\d*)$/.exec(base);
  if (decoding) {
    const input = `in.decode${decoding[1]}_latents_normalized`;
    const blocks = decoding[1] === '' ? blocksOf(context, 'dec') : undefined;
    const frames = await model.decodeAll(await volume(context, input), blocks?.options);
    return [network(channelsFirst(frames.values, frames.shape[3])), ...(blocks?.outputs() ?? [])];
  }
  const video = await volume(context, 'in.video');
  switch (base) {
    case 'moments_mean': {
      const blocks = blocksOf(context, 'enc');
      const moments = await model.encodeMoments(video, blocks.options);
      return [network(channels(moments, 0, z)), ...blocks.outputs()];
    }
    case 'moments_logvar':
      return [network(channels(await model.encodeMoments(video), z, 2 * z))];
    case 'latents_normalized':
      return [network(channels(await model.encode(video), 0, z))];
    case 'encoded_normalized':
    case 'stream_encoded_normalized': // the encoder always goes through a video in chunks
      return [network(channels(await model.encode(video), 0, z))];
    case 'whole': {
      const frames = await model.decodeAll(await volume(context, LATENTS), { clamp: false });
      return [network(channelsFirst(frames.values, frames.shape[3]))];
    }
    case 'image_latent_raw':
      return [network(channels(await model.encodeMoments(firstFrame(video)), 0, z))];
    case 'image_decoded': {
      const frames = await model.decodeAll(await model.encode(firstFrame(video)));
      return [network(channelsFirst(frames.values, frames.shape[3]))];
    }
    default:
      throw new EngineError('verify/unknown', `${name} — not known what it is`);
  }
}

async function volume({ io }: CaseContext, name: string): Promise<Volume> {
  const { values, shape } = await io.read(name);
  const [, C = 1, T = 1, H = 1, W = 1] = shape;
  return { values: channelsLast(values, shape), shape: [T, H, W, C] };
}

function firstFrame({ values, shape: [, H, W, C] }: Volume): Volume {
  return { values: values.subarray(0, H * W * C), shape: [1, H, W, C] };
}

/** Channels [first, end) in stored order. */
function channels({ values, shape }: Volume, first: number, end: number): Float32Array {
  const C = shape[3];
  return channelsFirst(values, C).subarray((first * values.length) / C, (end * values.length) / C);
}

/** Gathers the intermediates of one direction that the case stores, if they are asked for. */
function blocksOf(
  { io, gpu, blocks, config }: CaseContext,
  direction: 'enc' | 'dec',
): { options: VaeRunOptions; outputs(): Output[] } {
  const outputs: Output[] = [];
  const model = readVaeConfig(configIn(config));
  const stored = blocks ? io.names().filter((name) => name.startsWith(`mid.${direction}.`)) : [];
  return {
    outputs: () => outputs,
    options: {
      onChunk: async (recording, chunk) => {
        for (const name of stored.filter((other) => other.endsWith(`#${chunk}`))) {
          const key = name.slice('mid.'.length, name.lastIndexOf('#'));
          if (key === 'enc.in' && model.patch_size === 1) continue; // the video itself
          const tensor = recording.result(key);
          const values = await readTensor(gpu.device, tensor);
          const C = tensor.shape.at(-1) ?? 1;
          outputs.push({ name, values: channelsFirst(values, C), measure: 'network' });
        }
      },
    },
  };
}
