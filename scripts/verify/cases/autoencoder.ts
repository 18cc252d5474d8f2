/** The image autoencoder in both spellings: moments, samples, pictures. */
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import {
  autoencoderDecoder,
  autoencoderEncoder,
} from '../../../src/engine/models/autoencoder-kl/autoencoder.ts';
import type { Tap } from '../../../src/engine/models/autoencoder-kl/blocks.ts';
import type { AutoencoderConfig } from '../../../src/engine/models/autoencoder-kl/config.ts';
import {
  parseAutoencoderConfig,
  parseOriginalConfig,
} from '../../../src/engine/models/autoencoder-kl/config.ts';
import {
  renameAutoencoder,
  renameOldAttention,
} from '../../../src/engine/models/autoencoder-kl/names.ts';
import { posterior } from '../../../src/engine/models/autoencoder-kl/posterior.ts';
import type { Module } from '../../../src/engine/nn/module.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { WeightStore } from '../../../src/engine/weights/weight-store.ts';
import { transpose } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';
import { objectIn } from '../json.ts';

const ORIGINAL_PREFIX = 'first_stage_model.';

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

export const autoencoder: Checker = {
  matches: ({ vae, ddconfig, unet }, io) =>
    (isObject(ddconfig) || (isObject(vae) && !unet)) &&
    io.includes('in.image') &&
    io.includes('out.mean'),
  async run(context) {
    const { config: json, io } = context;
    const original = isObject(json['ddconfig']);
    const config = original
      ? parseOriginalConfig(objectIn(json, 'ddconfig'))
      : parseAutoencoderConfig(objectIn(json, 'vae'));
    const levels = config.channels.length;
    const rename = original ? renameAutoencoder(levels, ORIGINAL_PREFIX) : renameOldAttention;
    const own = original ? renameAutoencoder(levels) : undefined;
    const named = (name: string): string => {
      const spelled = name.replace('mid_block.attention', 'mid_block.attentions.0');
      const moved = own?.(`${spelled}.`);
      return typeof moved === 'string' ? moved.slice(0, -1) : spelled;
    };
    const outputs: Output[] = [];
    for (const file of context.weightFiles) {
      const store = await context.open(file, rename);
      const encode = await runFrames(
        context,
        store,
        autoencoderEncoder(config),
        await io.read('in.image'),
        named,
      );
      const moments = encode.result;
      outputs.push(...encode.outputs, ...(await momentOutputs(context, config, moments)));
      const input = io.has('in.latent_scaled') ? 'in.latent_scaled' : 'in.latent';
      const latent = await io.read(input);
      const factor = io.has('in.latent_scaled') ? 1 / config.scale : 1;
      const scaled = { ...latent, values: latent.values.map((value) => value * factor) };
      const decode = await runFrames(context, store, autoencoderDecoder(config), scaled, named);
      store.checkAllUsed();
      const decoded = channelsSecond(decode.result);
      const shown = decoded.map((value) => Math.min(1, Math.max(0, value / 2 + 0.5)));
      outputs.push(...decode.outputs, network('out.decoded', decoded));
      if (io.has('out.decoded_01')) outputs.push(network('out.decoded_01', shown));
    }
    return outputs;
  },
};

const network = (name: string, values: Float32Array): Output => ({
  name,
  values,
  measure: 'network',
});

/** [T, H, W, C] -> [T, C, H, W]. */
const channelsSecond = ({ values, shape }: Values): Float32Array =>
  transpose(values, shape, [0, 3, 1, 2]);

async function momentOutputs(
  { io }: CaseContext,
  { latentChannels: z, scale }: AutoencoderConfig,
  moments: Values,
): Promise<Output[]> {
  const [T = 1, h = 1, w = 1] = moments.shape;
  const { mean, logvar, sample } = posterior(moments.values, z);
  const planes = (values: Float32Array): Float32Array =>
    channelsSecond({ values, shape: [T, h, w, z] });
  const outputs = [
    network('out.mean', planes(mean)),
    network('out.logvar_clamped', planes(logvar)),
  ];
  if (io.has('out.std'))
    outputs.push(network('out.std', planes(logvar.map((value) => Math.exp(value / 2)))));
  if (io.has('in.posterior_noise')) {
    const { values, shape } = await io.read('in.posterior_noise');
    const noise = transpose(values, shape, [0, 2, 3, 1]);
    outputs.push(
      network('out.sampled', planes(sample(noise))),
      network('out.sampled_scaled', planes(sample(noise).map((value) => value * scale))),
    );
  }
  return outputs;
}

/** One half of the autoencoder on stored frames [T, C, H, W], with the intermediates that are stored. */
async function runFrames(
  context: CaseContext,
  store: WeightStore,
  half: Module<(x: Tensor, tap?: Tap) => Tensor>,
  { values, shape }: Values,
  named: (name: string) => string,
): Promise<{ readonly result: Values; readonly outputs: Output[] }> {
  const [T = 1, C = 1, H = 1, W = 1] = shape;
  const shapes = new Map<string, readonly number[]>();
  const results = await runOnce(context, store, (root) => {
    const { graph } = root;
    const keep = (name: string, tensor: Tensor): void => {
      shapes.set(name, tensor.shape);
      graph.result(name, tensor);
    };
    const probe = (name: string, tensor: Tensor): void => {
      const key = `act.${named(name)}`;
      if (context.blocks && context.io.has(key)) keep(key, tensor);
    };
    const x = graph.constant('frames', transpose(values, shape, [0, 2, 3, 1]), [T, H, W, C]);
    keep('result', half(root)(x, probe));
  });
  const valuesOf = (name: string): Values => ({
    values: results[name] ?? new Float32Array(),
    shape: shapes.get(name) ?? [],
  });
  const kept = [...shapes.keys()].filter((name) => name !== 'result');
  return {
    result: valuesOf('result'),
    outputs: kept.map((name) => network(name, channelsSecond(valuesOf(name)))),
  };
}
