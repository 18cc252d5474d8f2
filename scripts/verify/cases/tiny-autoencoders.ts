/** Tiny autoencoders: TAESD on pictures, with the real weights of FLUX.2's among them, and TAEHV on clips. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import type { Graph, Tensor } from '../../../src/engine/graph/graph.ts';
import {
  framesPerLatent,
  taehvConfigOf,
  taehvDecoder,
  taehvEncoder,
  trimmedFrames,
} from '../../../src/engine/models/tae/taehv.ts';
import { renameHalf, renameTiny } from '../../../src/engine/models/tae/names.ts';
import { taesdConfigOf, taesdDecoder, taesdEncoder } from '../../../src/engine/models/tae/taesd.ts';
import type { Stream } from '../../../src/engine/nn/histories.ts';
import type { Scope } from '../../../src/engine/nn/module.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { Rename, WeightStore } from '../../../src/engine/weights/weight-store.ts';
import { channelsFirst, channelsLast, transpose } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';

type Json = Readonly<Record<string, unknown>>;

const settings = (config: Json): Json => (config['config'] as Json | undefined) ?? config;
const variantsOf = (config: Json): readonly Json[] =>
  (settings(config)['variants'] as Json[] | undefined) ?? [];
const clamp01 = (values: Float32Array): Float32Array =>
  values.map((value) => Math.min(1, Math.max(0, value)));

/** Either spelling of the names. */
const rename: Rename = (name) => renameTiny(name);

/** A stored picture [1, C, H, W] in a graph: [1, H, W, C]. */
function pictureIn(graph: Graph, { values, shape }: Values): Tensor {
  const [, C = 1, H = 1, W = 1] = shape;
  return graph.constant('picture', channelsLast(values, shape), [1, H, W, C]);
}

type Half = 'encoder' | 'decoder';

/** Runs one half on a stored picture; returns the result and every layer, channels first. */
async function runHalf(
  context: CaseContext,
  store: WeightStore,
  half: Half,
  input: Values,
): Promise<{ result: Float32Array; layers: ReadonlyMap<number, Float32Array> }> {
  const config = taesdConfigOf(store);
  const channels = new Map<string, number>();
  const results = await runOnce(context, store, (root: Scope) => {
    const network = (half === 'encoder' ? taesdEncoder : taesdDecoder)(config)(root.child(half));
    const keep = (name: string, tensor: Tensor): void => {
      channels.set(name, tensor.shape.at(-1) ?? 1);
      root.graph.result(name, tensor);
    };
    const tap = (index: number, x: Tensor): void => keep(String(index), x);
    keep('result', network(pictureIn(root.graph, input), context.blocks ? tap : undefined));
  });
  const all = Object.entries(results).map(
    ([name, values]) => [name, channelsFirst(values, channels.get(name) ?? 1)] as const,
  );
  const layers = all.filter(([name]) => name !== 'result');
  return {
    result: new Map(all).get('result') ?? new Float32Array(),
    layers: new Map(layers.map(([name, values]) => [Number(name), values])),
  };
}

const network = (name: string, values: Float32Array): Output => ({
  name,
  values,
  measure: 'network',
});

export const taesd: Checker = {
  matches: (config) => variantsOf(config).some((variant) => 'groupnorm' in variant),
  async run(context) {
    const outputs: Output[] = [];
    for (const variant of variantsOf(context.config)) {
      const name = String(variant['name']);
      const store = await context.open(name, rename);
      const image = await context.io.read(`in.${name}.image`);
      const latent = await context.io.read(`in.${name}.latent`);
      const encoded = await runHalf(context, store, 'encoder', image);
      const decoded = await runHalf(context, store, 'decoder', latent);
      store.checkAllUsed();
      outputs.push(
        network(`out.${name}.latent`, encoded.result),
        network(`out.${name}.decoded`, decoded.result),
      );
    }
    return outputs;
  },
};

/** Each half in a file of its own, named after it: beside the case, or among the models beside the cases. */
async function openHalf(context: CaseContext, half: Half): Promise<WeightStore> {
  if (context.weightFiles.includes(half)) return context.open(half, renameHalf);
  for (let up = '..'; up.length < 20; up += '/..') {
    const path = `${up}/models/taef2/${half}`;
    const found = await context.open(path, renameHalf).catch((error: unknown) => {
      if (error instanceof EngineError && error.code === 'weights/file') return undefined;
      throw error;
    });
    if (found) return found;
  }
  throw new EngineError('verify/missing', `weights of the ${half} — found in no models/taef2`);
}

export const taef2: Checker = {
  matches: (_, io) => io.includes('in.small') && io.includes('out.small_latent'),
  async run(context) {
    const { io } = context;
    const [encoder, decoder] = [
      await openHalf(context, 'encoder'),
      await openHalf(context, 'decoder'),
    ];
    const small = await runHalf(context, encoder, 'encoder', await io.read('in.small'));
    const latent = await io.read('out.small_latent');
    const decoded = await runHalf(context, decoder, 'decoder', latent);
    const whole = await runHalf(context, encoder, 'encoder', await io.read('in.image'));
    const picture = await runHalf(context, decoder, 'decoder', await io.read('out.latent'));
    encoder.checkAllUsed();
    decoder.checkAllUsed();
    const blocks = [
      ...[...small.layers].map(([index, values]) => network(`mid.encoder.${index}`, values)),
      ...[...decoded.layers].map(([index, values]) => network(`mid.decoder.${index}`, values)),
    ];
    return [
      network('out.small_latent', small.result),
      network('out.small_decoded', decoded.result),
      network('out.latent', whole.result),
      network('out.decoded', picture.result),
      network('out.decoded01', clamp01(picture.result)),
      ...blocks.filter(({ name }) => io.has(name)),
    ];
  },
};

/** The decoder's last layer, whose output still has patches in its channels. */
const LAST_LAYER = 22;

/** A stream of one chunk. */
const WHOLE: Stream = {
  part: 'image',
  history: () => {
    throw new EngineError('graph/stream', 'history — asked for in a stream of one chunk');
  },
};

/** Frames [T, C, H, W] -> [T, H, W, C], with the last frame repeated up to a multiple of `unit` frames. */
function framesLast({ values, shape }: Values, unit: number): Values {
  const [T = 1, C = 1, H = 1, W = 1] = shape;
  const frames = Math.ceil(T / unit) * unit;
  const frame = C * H * W;
  const padded = new Float32Array(frames * frame);
  padded.set(values);
  for (let t = T; t < frames; t++) padded.set(values.subarray((T - 1) * frame), t * frame);
  return {
    values: transpose(padded, [frames, C, H, W], [0, 2, 3, 1]),
    shape: [frames, H, W, C],
  };
}

/** [T, H, W, C] -> [T, C, H, W]. */
const framesFirst = (values: Float32Array, [T = 1, , H = 1, W = 1]: readonly number[]) => {
  const C = values.length / (T * H * W);
  return transpose(values, [T, H, W, C], [0, 3, 1, 2]);
};

export const taehv: Checker = {
  matches: (config) => variantsOf(config).some((variant) => 'decoder_widths' in variant),
  async run(context) {
    const outputs: Output[] = [];
    for (const { name } of variantsOf(context.config))
      outputs.push(...(await runClip(context, String(name))));
    return outputs;
  },
};

async function runClip(context: CaseContext, name: string): Promise<Output[]> {
  const { io } = context;
  const store = await context.open(name);
  const config = taehvConfigOf(store);
  const clip = framesLast(await io.read(`in.${name}.frames`), framesPerLatent(config));
  const z = framesLast(await io.read(`in.${name}.latent`), 1);
  const encoded = await runOnce(context, store, (root) => {
    const frames = root.graph.constant('frames', clip.values, clip.shape);
    root.graph.result('latent', taehvEncoder(config, WHOLE)(root.child('encoder'))(frames));
  });
  const rawName = `mid.${name}.decoder_raw`;
  const decoded = await runOnce(context, store, (root) => {
    const latents = root.graph.constant('latents', z.values, z.shape);
    const decoder = taehvDecoder(config, WHOLE)(root.child('decoder'));
    const tap = (index: number, x: Tensor): void => {
      if (index === LAST_LAYER) root.graph.result('raw', x);
    };
    root.graph.result('frames', decoder(latents, context.blocks ? tap : undefined));
  });
  store.checkAllUsed();
  const shape = (await io.read(`out.${name}.frames`)).shape;
  const pixels = shape.slice(1).reduce((a, b) => a * b, 1);
  const kept = decoded['frames']?.subarray(trimmedFrames(config) * pixels) ?? new Float32Array();
  const outputs = [
    network(
      `out.${name}.latent`,
      framesFirst(encoded['latent'] ?? kept, (await io.read(`out.${name}.latent`)).shape),
    ),
    network(`out.${name}.frames`, framesFirst(clamp01(kept), shape)),
  ];
  if (!decoded['raw'] || !io.has(rawName)) return outputs;
  return [
    ...outputs,
    network(rawName, framesFirst(decoded['raw'], (await io.read(rawName)).shape)),
  ];
}
