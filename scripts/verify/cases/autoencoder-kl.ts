/** The picture autoencoders of Stable Diffusion and FLUX, under both spellings of their tensor names. */
import type { Graph, Tensor } from '../../../src/engine/graph/graph.ts';
import { affine } from '../../../src/engine/graph/ops/elementwise.ts';
import { slice } from '../../../src/engine/graph/ops/layout.ts';
import {
  autoencoderDecoder,
  autoencoderEncoder,
} from '../../../src/engine/models/autoencoder-kl/autoencoder.ts';
import { parseAutoencoderConfig } from '../../../src/engine/models/autoencoder-kl/config.ts';
import { renameAutoencoder } from '../../../src/engine/models/autoencoder-kl/names.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { WeightStore } from '../../../src/engine/weights/weight-store.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';

type Json = Readonly<Record<string, unknown>>;

const settings = (config: Json): Json => (config['config'] as Json | undefined) ?? config;

export const autoencoderKl: Checker = {
  matches: (config, io) =>
    'block_out_channels' in settings(config) && io.includes('in.image') && io.includes('in.latent'),
  async run(context) {
    const { channels } = parseAutoencoderConfig(settings(context.config));
    const outputs: Output[] = [];
    for (const file of context.weightFiles) {
      const store = await context.open(file, renameAutoencoder(channels.length));
      const own = [...(await encode(context, store)), ...(await decode(context, store))];
      store.checkAllUsed();
      const note = file === 'model' ? {} : { note: 'original names' };
      outputs.push(...own.map((output) => ({ ...output, ...note })));
    }
    return outputs;
  },
};

function pictureIn(graph: Graph, { values, shape }: Values): Tensor {
  const [, C = 1, H = 1, W = 1] = shape;
  return graph.constant('picture', channelsLast(values, shape), [1, H, W, C]);
}

/** Runs `build`, which keeps tensors by their stored names, and returns those that the case has. */
async function outputsOf(
  { io, ...context }: CaseContext,
  store: WeightStore,
  build: (
    parts: Parameters<Parameters<typeof runOnce>[2]>[0],
    keep: (name: string, tensor: Tensor) => void,
  ) => void,
): Promise<Output[]> {
  const channels = new Map<string, number>();
  const results = await runOnce(context, store, (root) =>
    build(root, (name, tensor) => {
      if (!io.has(name)) return;
      channels.set(name, tensor.shape.at(-1) ?? 1);
      root.graph.result(name, tensor);
    }),
  );
  return Object.entries(results).map(([name, values]) => ({
    name,
    values: channelsFirst(values, channels.get(name) ?? 1),
    measure: 'network',
  }));
}

async function encode(context: CaseContext, store: WeightStore): Promise<Output[]> {
  const config = parseAutoencoderConfig(settings(context.config));
  const image = await context.io.read('in.image');
  const { latentChannels, scale, shift } = config;
  return outputsOf(context, store, (root, keep) => {
    const tap = (name: string, x: Tensor): void => keep(`mid.${name}`, x);
    const picture = pictureIn(root.graph, image);
    const moments = autoencoderEncoder(config)(root)(picture, context.blocks ? tap : undefined);
    const mode = slice(moments, 3, 0, latentChannels);
    keep('out.moments', moments);
    keep('out.mode', mode);
    keep('out.model_latent', affine(mode, scale, -shift * scale));
  });
}

async function decode(context: CaseContext, store: WeightStore): Promise<Output[]> {
  const config = parseAutoencoderConfig(settings(context.config));
  const latent = await context.io.read('in.latent');
  const outputs = await outputsOf(context, store, (root, keep) => {
    const tap = (name: string, x: Tensor): void => keep(`mid.${name}`, x);
    const z = affine(pictureIn(root.graph, latent), 1 / config.scale, config.shift);
    if (context.blocks) keep('mid.decode_input', z);
    keep('out.decoded', autoencoderDecoder(config)(root)(z, context.blocks ? tap : undefined));
  });
  const decoded = outputs.find(({ name }) => name === 'out.decoded');
  if (!decoded || !context.io.has('out.image01')) return outputs;
  const values = decoded.values.map((y) => Math.min(1, Math.max(0, y / 2 + 0.5)));
  return [...outputs, { name: 'out.image01', values, measure: 'network' }];
}
