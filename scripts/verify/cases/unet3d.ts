/** One call of the 3-D UNets of I2VGen-XL and DynamiCrafter, sample by sample. */
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import { concat } from '../../../src/engine/graph/ops/layout.ts';
import { timestepSinusoid } from '../../../src/engine/kernels/rope.ts';
import { parseDynamiCrafter } from '../../../src/engine/models/dynamicrafter/config.ts';
import { splitContext } from '../../../src/engine/models/dynamicrafter/tokens.ts';
import { i2vgenConditions } from '../../../src/engine/models/i2vgenxl/conditions.ts';
import { parseI2vgenConfig } from '../../../src/engine/models/i2vgenxl/config.ts';
import type { Unet3dConfig } from '../../../src/engine/models/unet3d/config.ts';
import { unetContext } from '../../../src/engine/models/unet3d/context.ts';
import { embeddings } from '../../../src/engine/models/unet3d/embedding.ts';
import { lvdmName, renameLvdmUnet, renameUnet } from '../../../src/engine/models/unet3d/names.ts';
import { clipPolicy } from '../../../src/engine/models/unet3d/policy.ts';
import { unet3d } from '../../../src/engine/models/unet3d/unet.ts';
import type { Scope } from '../../../src/engine/nn/module.ts';
import { runEach } from '../../../src/engine/nn/run-once.ts';
import type { Rename } from '../../../src/engine/weights/weight-store.ts';
import { channelsFirst, channelsLast, transpose } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';
import { joined, objectIn } from '../json.ts';

/** Builds the network on one sample; every intermediate goes to `keep` under the name it is stored by. */
type Build = (root: Scope, sample: number, keep: (name: string, tensor: Tensor) => void) => Tensor;

export const i2vgenUnet: Checker = {
  matches: ({ unet }, io) =>
    typeof unet === 'object' &&
    unet !== null &&
    io.includes('in.image_latents') &&
    io.includes('out.sample'),
  async run(context) {
    const config = parseI2vgenConfig(objectIn(context.config, 'unet'));
    const read = await inputs(context, [
      'sample',
      'image_latents',
      'image_embeddings',
      'encoder_hidden_states',
      'timestep',
      'fps',
    ]);
    const build: Build = (root, i, keep) => {
      const { graph } = root;
      const rows = (name: string): Tensor => {
        const { values, shape } = sampleOf(read[name], i);
        return graph.constant(name, values, shape, graph.compute);
      };
      const { context: tokens, channels } = i2vgenConditions(config)(root)({
        text: rows('encoder_hidden_states'),
        picture: rows('image_embeddings'),
        latents: clip(graph, 'image latents', sampleOf(read['image_latents'], i)),
        probe: keep,
      });
      const x = concat([clip(graph, 'sample', sampleOf(read['sample'], i)), channels], 3);
      const sums = timeAndRate(
        root,
        config,
        scalarOf(read['timestep'], i),
        scalarOf(read['fps'], i),
      );
      keep('time_embedding', sums.time);
      keep('fps_embedding', sums.rate);
      const keys = unetContext(config)(root)({ text: tokens });
      return unet3d(config)(root)({ x, embedding: sums.sum, context: keys, probe: keep });
    };
    return run(context, {
      out: 'out.sample',
      batch: batchOf(read['sample']),
      rename: renameUnet(),
      build,
    });
  },
};

export const dynamiCrafterUnet: Checker = {
  matches: ({ unet }, io) =>
    typeof unet === 'object' && unet !== null && io.includes('in.context') && io.includes('out.y'),
  async run(context) {
    const config = parseDynamiCrafter(objectIn(context.config, 'unet'));
    const read = await inputs(context, ['x', 'context', 'timesteps', 'fs']);
    const build: Build = (root, i, keep) => {
      const { graph } = root;
      const named = (name: string, tensor: Tensor): void =>
        originalNames(config, name).forEach((each) => keep(each, tensor));
      const x = clip(graph, 'x', sampleOf(read['x'], i));
      const { values, shape } = sampleOf(read['context'], i);
      const tokens = graph.constant('context', values, shape, graph.compute);
      const rate = read['fs'] ? scalarOf(read['fs'], i) : config.defaultRate;
      const sums = timeAndRate(root, config, scalarOf(read['timesteps'], i), rate);
      keep('time_embed', sums.time);
      keep('fps_embedding', sums.rate);
      const keys = unetContext(config)(root)(splitContext(tokens, x.shape[0] ?? 1));
      return unet3d(config)(root)({ x, embedding: sums.sum, context: keys, probe: named });
    };
    const rename = renameLvdmUnet(config);
    return run(context, { out: 'out.y', batch: batchOf(read['x']), rename, build });
  },
};

/** Names that a native intermediate goes by in the original code, where a resnet holds the convolution behind it. */
function originalNames(config: Unet3dConfig, name: string): string[] {
  if (/\.(resnets|res)\.\d+$/.test(name)) return [];
  if (name === 'transformer_in') return ['init_attn'];
  if (name === 'conv_in') return ['input_blocks.0'];
  if (name === 'mid_block') return ['middle_block'];
  const up = /^up_blocks\.(\d+)$/.exec(name);
  if (up) return [`output_blocks.${(Number(up[1]) + 1) * (config.layers + 1) - 1}`];
  const moved = lvdmName(config, `${name}.`).slice(0, -1);
  const block = moved.replace(/\.\d+(\.temopral_conv)?$/, '');
  const whole = block === 'middle_block' ? [] : [block];
  if (name.includes('.temp_convs.')) return [moved, moved.replace('.temopral_conv', ''), ...whole];
  return /\.temp_attentions\.\d+$/.test(name) ? [moved, ...whole] : [moved];
}

async function inputs({ io }: CaseContext, names: readonly string[]) {
  const entries = names
    .filter((name) => io.has(`in.${name}`))
    .map(async (name) => [name, await io.read(`in.${name}`)]);
  return Object.fromEntries(await Promise.all(entries)) as Readonly<
    Record<string, Values | undefined>
  >;
}

const batchOf = (values: Values | undefined): number => values?.shape[0] ?? 1;

/** Sample `i` of a batch, its first axis gone. */
function sampleOf(batch: Values | undefined, i: number): Values {
  const { values, shape } = batch ?? { values: new Float32Array(), shape: [1] };
  const span = values.length / (shape[0] ?? 1);
  return { values: values.subarray(i * span, (i + 1) * span), shape: shape.slice(1) };
}

/** The one number of sample `i`, which all samples may share. */
const scalarOf = (batch: Values | undefined, i: number): number =>
  batch?.values[Math.min(i, batch.values.length - 1)] ?? NaN;

/** Stored [C, F, H, W] as [F, H, W, C]. */
function clip(graph: Tensor['graph'], name: string, { values, shape }: Values): Tensor {
  const [C = 1, F = 1, H = 1, W = 1] = shape;
  return graph.constant(name, channelsLast(values, [1, ...shape]), [F, H, W, C]);
}

function timeAndRate(root: Scope, config: Unet3dConfig, t: number, rate: number) {
  const width = config.widths[0] ?? 1;
  const row = (name: string, value: number): Tensor =>
    root.graph.constant(name, timestepSinusoid(value, width), [1, width]);
  return embeddings(config)(root)(row('time', t), row('rate', rate));
}

type Plan = {
  readonly out: string;
  readonly batch: number;
  readonly rename: Rename;
  readonly build: Build;
};

async function run(whole: CaseContext, { out, batch, rename, build }: Plan): Promise<Output[]> {
  const context = { ...whole, quantise: clipPolicy(whole.quantise) };
  const { io, blocks } = context;
  const store = await context.open('model', rename);
  const shapes = new Map<string, readonly number[]>();
  const builds = Array.from({ length: batch }, (_, i) => (root: Scope) => {
    const keep = (name: string, tensor: Tensor): void => {
      if (!blocks || !io.has(`act.${name}`)) return;
      shapes.set(`act.${name}`, tensor.shape);
      root.graph.result(`act.${name}`, tensor);
    };
    const y = build(root, i, keep);
    shapes.set(out, y.shape);
    root.graph.result(out, y);
  });
  const runs = await runEach(context, store, builds);
  store.checkAllUsed();
  const outputs: Output[] = [];
  for (const [name, shape] of shapes) {
    const stored = (await io.read(name)).shape;
    const parts = runs.map((results) =>
      inStoredOrder(results[name] ?? new Float32Array(), shape, stored),
    );
    outputs.push({ name, values: joined(parts), measure: 'network' });
  }
  return outputs;
}

/** One sample [F, H, W, C] in the order of a stored batch: channels second, or pixels or frames as rows. */
function inStoredOrder(
  values: Float32Array,
  shape: readonly number[],
  stored: readonly number[],
): Float32Array {
  const [F = 1, H = 1, W = 1, C = 1] = shape;
  if (shape.length !== 4) return values;
  if (stored.length === 5) return channelsFirst(values, C);
  if (stored.length === 4) return transpose(values, [F, H * W, C], [0, 2, 1]);
  const perPixel = stored[1] === F && stored[1] !== H * W;
  return perPixel ? transpose(values, [F, H * W, C], [1, 0, 2]) : values;
}
