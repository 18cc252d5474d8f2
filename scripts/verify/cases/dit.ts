/** The Wan transformer in all its kinds, under the names of diffusers and of the original repository. */
import { createTensor, sizeOf, writeTensor } from '../../../src/engine/gpu/tensor.ts';
import type { Shape } from '../../../src/engine/gpu/tensor.ts';
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import { timestepSinusoid } from '../../../src/engine/kernels/rope.ts';
import type { Config } from '../../../src/engine/models/config-json.ts';
import type { WanConfig } from '../../../src/engine/models/wan/config.ts';
import { parseWanConfig } from '../../../src/engine/models/wan/config.ts';
import { trimText, wanContext } from '../../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../../src/engine/models/wan/dit.ts';
import { renameWan } from '../../../src/engine/models/wan/names-dit.ts';
import type { Scope } from '../../../src/engine/nn/module.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { WeightStore } from '../../../src/engine/weights/weight-store.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';

type Sample = {
  /** Latents [C, F, H, W] that are joined along the channels. */
  readonly latents: readonly Values[];
  /** One timestep, or one for each token. */
  readonly timesteps: Float32Array;
  readonly text: Float32Array;
  /** Rows the text is padded to with zeros. */
  readonly textLength: number;
  readonly image: Float32Array | undefined;
};

const isRecord = (value: unknown): value is Config => typeof value === 'object' && value !== null;

/** Cases of the diffusers class. */
export const dit: Checker = {
  matches: ({ transformer }, io) => isRecord(transformer) && io.includes('in.hidden_states'),
  async run(context) {
    const { io } = context;
    const latent = await io.read('in.hidden_states');
    const text = await io.read('in.encoder_hidden_states');
    const sample: Sample = {
      latents: [{ ...latent, shape: latent.shape.slice(1) }],
      timesteps: (await io.read('in.timestep')).values,
      text: text.values,
      textLength: text.shape[1] ?? 0,
      image: io.has('in.encoder_hidden_states_image')
        ? (await io.read('in.encoder_hidden_states_image')).values
        : undefined,
    };
    const outputs: Output[] = [];
    for (const path of context.weightFiles) {
      const store = await context.open(path, renameWan);
      const config = parseWanConfig(context.config['transformer'] as Config, store);
      const note = path === 'model' ? {} : { note: path };
      const results = await runTransformer(context, config, store, sample, false);
      outputs.push({ name: 'out.sample', ...note, ...outputOf(results, 'velocity') });
      if (!context.blocks) continue;
      const kept = await runTransformer(context, config, store, sample, true);
      outputs.push(...intermediates(context, config, sample, kept).map((o) => ({ ...o, ...note })));
    }
    return outputs;
  },
};

/** Cases of the original class: text padded inside, one timestep or one for each token. */
export const originalDit: Checker = {
  matches: ({ wan_model }, io) => isRecord(wan_model) && io.includes('in.t_scalar'),
  async run(context) {
    const { io } = context;
    const store = await context.open('model', renameWan);
    const config = parseWanConfig(context.config['wan_model'] as Config, store);
    const latents = [await io.read('in.x')];
    if (io.has('in.y')) latents.push(await io.read('in.y'));
    const text = (await io.read('in.context')).values;
    const outputs: Output[] = [];
    for (const [input, name] of [
      ['in.t_scalar', 'out.scalar_t'],
      ['in.t_tokens', 'out.token_t'],
    ] as const) {
      const timesteps = (await io.read(input)).values;
      const sample = { latents, timesteps, text, textLength: config.textLength, image: undefined };
      const results = await runTransformer(context, config, store, sample, false);
      outputs.push({ name, ...outputOf(results, 'velocity') });
    }
    return outputs;
  },
};

type Results = Readonly<Record<string, Float32Array>>;

const outputOf = (results: Results, name: string) =>
  ({ values: results[name] ?? new Float32Array(), measure: 'network' }) as const;

/** Runs the network once; `probe` keeps its intermediates under the names of the modules' probes. */
async function runTransformer(
  { gpu, pipelines, executor, precision, quantise }: CaseContext,
  config: WanConfig,
  store: WeightStore,
  sample: Sample,
  probe: boolean,
): Promise<Results> {
  const [, F = 1, H = 1, W = 1] = sample.latents[0]?.shape ?? [];
  const { pt, ph, pw } = config.patch;
  const tokensPerFrame = (H / ph) * (W / pw);
  const { times, rowsPerGroup } = groupTimesteps(sample.timesteps, tokensPerFrame, F / pt);
  // Intermediates are stored for every row of text.
  const text = probe
    ? { values: sample.text, rows: sample.textLength, lastKeyBias: 0 }
    : trimText(sample.text, config.textDim, sample.textLength);
  const build = (root: Scope): void => {
    const { graph } = root;
    const keep = (name: string, tensor: Tensor): void => graph.result(name, tensor);
    const watch = probe ? { probe: keep } : {};
    const input = (name: string, values: Float32Array, shape: Shape): Tensor => {
      const tensor = createTensor(gpu.device, name, shape);
      writeTensor(gpu.device, tensor, values);
      return graph.external(tensor);
    };
    const context = wanContext(config)(root)({
      text: input('text', text.values, [text.rows, config.textDim]),
      image:
        sample.image &&
        input('image', sample.image, rowsOfWidth(sample.image, config.imageDim ?? 1)),
      ...watch,
    });
    const sinusoids = Float32Array.from(
      times.flatMap((t) => [...timestepSinusoid(t, config.freqDim)]),
    );
    const velocity = wanTransformer(config)(root)({
      latents: sample.latents.map(({ values, shape }, i) =>
        input(`latent ${i}`, channelsLast(values, shape), [...shape.slice(1), shape[0] ?? 1]),
      ),
      time: graph.constant('timesteps', sinusoids, [times.length, config.freqDim]),
      rowsPerGroup,
      context,
      lastKeyBias: text.lastKeyBias,
      ...watch,
    });
    keep('velocity', velocity);
  };
  const engine = { gpu, pipelines, executor, precision, quantise };
  const results = await runOnce(engine, store, build);
  const velocity = channelsFirst(results['velocity'] ?? new Float32Array(), config.outChannels);
  return { ...results, velocity };
}

const rowsOfWidth = (values: Float32Array, width: number): Shape => [values.length / width, width];

/** Returns the fewest groups of timesteps for tokens in order: one, one a frame with the last for all the rest, or one each. */
function groupTimesteps(
  timesteps: Float32Array,
  tokensPerFrame: number,
  frames: number,
): { times: number[]; rowsPerGroup: number } {
  const all = [...timesteps];
  if (all.every((t) => t === all[0]))
    return { times: all.slice(0, 1), rowsPerGroup: tokensPerFrame };
  const times = Array.from({ length: frames }, (_, f) => all[f * tokensPerFrame] ?? NaN);
  const byFrame = all.every((t, i) => t === times[Math.floor(i / tokensPerFrame)]);
  if (!byFrame) return { times: all, rowsPerGroup: 1 };
  while (times.length > 1 && times.at(-1) === times.at(-2)) times.pop();
  return { times, rowsPerGroup: tokensPerFrame };
}

/** Probe names -> names in io.safetensors, where they differ. */
const STORED: Readonly<Record<string, string>> = {
  patches: 'patch_embedding',
  embedding: 'cond.0',
  modulation: 'cond.1',
  text: 'cond.2',
  image: 'cond.3',
};

function intermediates(
  { io }: CaseContext,
  config: WanConfig,
  sample: Sample,
  results: Results,
): Output[] {
  const [, F = 1, H = 1, W = 1] = sample.latents[0]?.shape ?? [];
  const { pt, ph, pw } = config.patch;
  const tokens = (F * H * W) / (pt * ph * pw);
  return Object.entries(results).flatMap(([probe, values]): Output[] => {
    const name = `mid.${STORED[probe] ?? probe}`;
    if (!io.has(name)) return [];
    const placed =
      probe === 'patches'
        ? channelsFirst(values, config.width)
        : sample.timesteps.length > 1 && (probe === 'embedding' || probe === 'modulation')
          ? rowForEachToken(values, config, sample, tokens)
          : values;
    return [{ name, values: placed, measure: 'network' }];
  });
}

/** The rows of timestep groups, repeated for the tokens they stand for. */
function rowForEachToken(
  values: Float32Array,
  config: WanConfig,
  sample: Sample,
  tokens: number,
): Float32Array {
  const [, F = 1] = sample.latents[0]?.shape ?? [];
  const frames = F / config.patch.pt;
  const { times, rowsPerGroup } = groupTimesteps(sample.timesteps, tokens / frames, frames);
  const width = values.length / times.length;
  const all = new Float32Array(tokens * width);
  for (let i = 0; i < tokens; i++) {
    const group = Math.min(Math.floor(i / rowsPerGroup), times.length - 1);
    all.set(values.subarray(group * width, (group + 1) * width), i * width);
  }
  return all;
}

/** [C, ...] -> [..., C]. */
function channelsLast(values: Float32Array, shape: Shape): Float32Array {
  const C = shape[0] ?? 1;
  const count = sizeOf(shape) / C;
  return Float32Array.from(
    { length: values.length },
    (_, i) => values[(i % C) * count + Math.floor(i / C)] ?? NaN,
  );
}

/** [..., C] -> [C, ...]. */
function channelsFirst(values: Float32Array, C: number): Float32Array {
  const count = values.length / C;
  return Float32Array.from(
    { length: values.length },
    (_, i) => values[(i % count) * C + Math.floor(i / count)] ?? NaN,
  );
}
